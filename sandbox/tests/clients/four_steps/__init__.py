"""A rotation function as people bring one along: it knows AWS's services and nothing of what stands in for them."""
