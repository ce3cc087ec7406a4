"""The names that users and other tools rely on: group, kind, annotations, finalizer, tags."""

GROUP = "dynconfig.dev"
VERSION = "v1alpha1"
KIND = "DynamicConfig"
PLURAL = "dynamicconfigs"
SHORT = "dcfg"
API_VERSION = f"{GROUP}/{VERSION}"

FINALIZER = f"{GROUP}/aws-resources"

RECONCILE_REQUESTED_AT = f"{GROUP}/reconcile-requested-at"
APPROVE_GENERATION = f"{GROUP}/approve-generation"
ABANDON = f"{GROUP}/abandon"
FORCE_GENERATION = f"{GROUP}/force-generation"
# Read by `dynconfig validate` alone: "true", or names of parameters that may be in the open, parted by commas.
ALLOW_PLAINTEXT = f"{GROUP}/allow-plaintext"
# On the CustomResourceDefinition: without it the shipped policy refuses its deletion.
ALLOW_DELETION = f"{GROUP}/allow-deletion"

OWNER_TAG = f"{GROUP}/owner"
# On an HTTP API that was released: its name is not unique, so that only this says whose it was. It goes with the adoption.
RELEASED_TAG = f"{GROUP}/released-by"
# On a String or StringList whose value came from a Secret, so that no output shows it, even if no status is at hand.
FROM_SECRET_TAG = f"{GROUP}/from-secret"
# What an attached function remembers of its addition: whose it is, and what else has to be known to take it away again.
ATTACHED_TAG = f"{GROUP}/attached-by"
ATTACHED_LAYER_TAG = f"{GROUP}/attached-layer"
ATTACHED_LAYER_BEFORE_TAG = f"{GROUP}/attached-layer-before"
ATTACHED_ROLE_TAG = f"{GROUP}/attached-role"
ATTACHED_VARIABLES_TAG = f"{GROUP}/attached-variables"
CLUSTER_TAG = f"{GROUP}/cluster"

# The owner tag holds cluster id, namespace, name and uid in the 256 characters of a tag value.
MAX_NAME = 63

# What status.observedGeneration is until the operator has looked at the object for the first time.
UNSEEN = -1
