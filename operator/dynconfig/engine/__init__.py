"""One reconcile: observe AWS, assess the difference to the declaration, apply it."""
