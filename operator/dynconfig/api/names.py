"""Public names: group, kind, annotations, finalizer, tags."""

GROUP = "dynconfig.dev"
VERSION = "v1alpha1"
KIND = "DynamicConfig"
PLURAL = "dynamicconfigs"
SHORT = "dcfg"
API_VERSION = f"{GROUP}/{VERSION}"

TARGET_KIND = "AWSTarget"
TARGET_PLURAL = "awstargets"
TARGET_SHORT = "awst"

# The source of Kubernetes Events.
COMPONENT = "dynconfig-operator"

FINALIZER = f"{GROUP}/aws-resources"

# On an AWSTarget: it is kept until no object uses it.
TARGET_FINALIZER = f"{GROUP}/in-use"

RECONCILE_REQUESTED_AT = f"{GROUP}/reconcile-requested-at"
APPROVE_GENERATION = f"{GROUP}/approve-generation"
ABANDON = f"{GROUP}/abandon"
FORCE_GENERATION = f"{GROUP}/force-generation"
# Only read by `dynconfig validate`: "true", or a comma-separated list of parameters that may be in plaintext.
ALLOW_PLAINTEXT = f"{GROUP}/allow-plaintext"
# On the CustomResourceDefinition: without it the shipped admission policy denies its deletion.
ALLOW_DELETION = f"{GROUP}/allow-deletion"

OWNER_TAG = f"{GROUP}/owner"
# On a released HTTP API, whose name is not unique: only this tag identifies its previous owner. Removed on adoption.
RELEASED_TAG = f"{GROUP}/released-by"
# On a String or StringList with a value from a Secret, so that it is masked in all output, even without a status.
FROM_SECRET_TAG = f"{GROUP}/from-secret"
# On an attached function: the owner of the attachment, and what is needed to remove it again.
ATTACHED_TAG = f"{GROUP}/attached-by"
ATTACHED_LAYER_TAG = f"{GROUP}/attached-layer"
ATTACHED_LAYER_BEFORE_TAG = f"{GROUP}/attached-layer-before"
ATTACHED_ROLE_TAG = f"{GROUP}/attached-role"
ATTACHED_VARIABLES_TAG = f"{GROUP}/attached-variables"
CLUSTER_TAG = f"{GROUP}/cluster"
SHARD_TAG = f"{GROUP}/shard"
# Of the session of a role that a target names.
TARGET_TAG = f"{GROUP}/target"

# The owner tag has cluster ID, namespace, name and uid in the 256 characters of a tag value.
MAX_NAME = 63

# status.observedGeneration of an object that was never reconciled.
UNSEEN = -1
# The same of an object that the operator has only accepted: it recorded where it writes, or that it is suspended.
NO_GENERATION = 0
