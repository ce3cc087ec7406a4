-- Ask for a look at AWS now; the operator echoes the moment in status.lastHandledReconcileAt.
local os = require("os")

if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["dynconfig.dev/reconcile-requested-at"] = os.date("!%Y-%m-%dT%H:%M:%SZ")

return obj
