"""The two ways in which a parameter changes, as events and own writes name them."""

PUT = "Put"
DELETE = "Delete"
