-- Write to AWS again.
obj.spec.suspend = false

return obj
