"""What becomes of a message at its recipient's: links that were followed, images that were loaded, who left.

Nothing is tracked unless a domain or a message asks for it. What stands in a
mail is a token of ours with our signature (`tokens`); whatever it says was
said by us, so no page of ours leads anywhere that a stranger chose.
"""
