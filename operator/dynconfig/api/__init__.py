"""The API types: spec, status, and the CRD generated from them."""
