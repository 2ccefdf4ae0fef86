variable "workspace_sid" {
  description = "The TaskRouter workspace, WS…; null takes the one that Flex made."
  type        = string
  default     = null

  validation {
    condition     = var.workspace_sid == null || can(regex("^WS[0-9a-fA-F]{32}$", var.workspace_sid))
    error_message = "A workspace SID is WS and 32 hexadecimal digits."
  }
}

variable "prefix" {
  description = "What the names of the resources start with; null takes that of `overflow setup`."
  type        = string
  default     = null

  validation {
    condition     = var.prefix == null || can(regex("\\S", var.prefix))
    error_message = "The prefix tells these resources from others, so it must not be empty."
  }
}
