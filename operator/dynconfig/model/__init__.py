"""The values of the core: resources, declarations, plans, names and errors. Imports the API types only."""
