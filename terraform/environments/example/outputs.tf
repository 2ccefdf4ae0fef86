output "task_queue_sids" {
  description = "The task queues, in the order in which a call passes them."
  value = {
    sales       = module.call_redirection.sales_task_queue_sid
    support     = module.call_redirection.support_task_queue_sid
    everyone    = module.call_redirection.everyone_task_queue_sid
    placeholder = module.call_redirection.placeholder_task_queue_sid
  }
}

output "workflow_sid" {
  description = "The workflow."
  value       = module.call_redirection.workflow_sid
}

output "studio_flow_sid" {
  description = "The Studio flow."
  value       = module.call_redirection.studio_flow_sid
}

output "studio_flow_webhook_url" {
  description = "What to set as the voice URL of a phone number."
  value       = module.call_redirection.studio_flow_webhook_url
}

output "env" {
  description = "The lines for .env: terraform output -raw env >> .env"
  value       = <<-EOT
    TWILIO_ACCOUNT_SID=${var.TWILIO_ACCOUNT_SID}
    TWILIO_WORKSPACE_SID=${module.call_redirection.workspace_sid}
    FORWARD_CALL_TASK_QUEUE_SID=${module.call_redirection.placeholder_task_queue_sid}
  EOT
}
