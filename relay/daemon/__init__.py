"""The running process: doors around a station, started and stopped in order.

`assembly` puts the rooms together, `doors` opens the SMTP listeners, `http`
the API, `crowd` counts its connections, `watch` tells the service manager and the metrics how we are,
`process` is the life from start to stop.
"""
