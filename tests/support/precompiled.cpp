// Empty: the precompiled header belongs to the target of this file.
