# Named as the services' settings are: export TF_VAR_TWILIO_ACCOUNT_SID and TF_VAR_TWILIO_AUTH_TOKEN.

variable "TWILIO_ACCOUNT_SID" {
  description = "The Twilio account, AC…"
  type        = string

  validation {
    condition     = can(regex("^AC[0-9a-fA-F]{32}$", var.TWILIO_ACCOUNT_SID))
    error_message = "An account SID is AC and 32 hexadecimal digits."
  }
}

variable "TWILIO_AUTH_TOKEN" {
  description = "Its auth token."
  type        = string
  sensitive   = true
}

variable "workspace_sid" {
  description = "The TaskRouter workspace, WS…; null takes the one that Flex made."
  type        = string
  default     = null
}

variable "prefix" {
  description = "What the names of the resources start with; null takes \"[TR Call Redirection]\"."
  type        = string
  default     = null
}

variable "task_reservation_timeout" {
  description = "How many seconds an agent's phone rings before the next one's does; null takes 15."
  type        = number
  default     = null
}
