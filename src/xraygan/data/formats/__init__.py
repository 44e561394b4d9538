"""How collections and tools write down what their films show: one module a convention."""
