"""Worker processes that share the work of this one."""
