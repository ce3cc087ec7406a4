-- The health of a DynamicConfig as Argo CD shows it. Conditions follow kstatus: Ready always, Reconciling, Stalled, Drifted
-- and Baking only while they are true. While a change bakes it is Healthy: `dynconfig status --watch --stable` waits for the
-- end. Only the base, table and os libraries of Lua are there in argocd-cm.
local function is(status, message)
  return { status = status, message = message }
end

-- Argo CD says so itself before it asks this script; these are its words.
if obj.metadata.deletionTimestamp ~= nil then
  return is("Progressing", "Pending deletion")
end

if obj.status == nil or obj.status.conditions == nil then
  return is("Progressing", "Waiting for the operator's first report")
end

if obj.status.observedGeneration ~= obj.metadata.generation then
  return is("Progressing", "Waiting for the operator to look at the latest change")
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end
local ready, reconciling, stalled = conditions.Ready, conditions.Reconciling, conditions.Stalled

-- Argo CD gives up on a commit that is Degraded, so this is for what only a person can mend.
if stalled ~= nil and stalled.status == "True" then
  return is("Degraded", stalled.message)
end
if ready ~= nil and ready.status == "False" then
  return is("Degraded", ready.message)
end

if obj.spec.suspend == true then
  local message = "spec.suspend is true"
  if ready ~= nil then
    message = ready.message
  end
  return is("Suspended", message)
end

if reconciling ~= nil and reconciling.status == "True" then
  return is("Progressing", reconciling.message)
end
if ready == nil then
  return is("Progressing", "Waiting for the operator to say whether it is ready")
end
if ready.status ~= "True" then
  return is("Progressing", ready.message)
end

-- Drift stands in a Ready object only where driftPolicy is Report: it is reported, and is no fault.
local drifted = conditions.Drifted
if drifted ~= nil and drifted.status == "True" then
  return is("Healthy", ready.message .. ". " .. drifted.message)
end
return is("Healthy", ready.message)
