-- Observe and report, write nothing to AWS.
obj.spec.suspend = true

return obj
