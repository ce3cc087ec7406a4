-- What can be asked of a DynamicConfig. Where Argo CD heals itself, suspend in git instead: it would be undone here.
local suspended = obj.spec.suspend == true

return {
  reconcile = { disabled = false },
  suspend = { disabled = suspended },
  resume = { disabled = not suspended },
}
