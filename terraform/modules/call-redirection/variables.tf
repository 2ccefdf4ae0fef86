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

variable "task_reservation_timeout" {
  description = "How many seconds an agent is asked before the task goes on; Twilio then puts the agent into the workspace's timeout activity. null takes what `overflow setup` takes."
  type        = number
  # Twilio's own default is 120, longer than callers wait for all task queues together.
  default = null

  validation {
    # null can't be compared.
    condition     = try(var.task_reservation_timeout >= 1 && var.task_reservation_timeout <= 86400 && floor(var.task_reservation_timeout) == var.task_reservation_timeout, var.task_reservation_timeout == null)
    error_message = "A reservation may last from 1 to 86400 seconds."
  }
}
