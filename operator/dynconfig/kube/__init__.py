"""The API server: objects, sources, Events, and the controller that reconciles."""
