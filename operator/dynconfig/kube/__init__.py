"""What the doors need of Kubernetes: objects, references and Events."""
