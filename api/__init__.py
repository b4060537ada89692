"""The HTTP door.

`app.build_app` puts the routes together; it is handed what it may ask of the
house and imports no room that sends.
"""
