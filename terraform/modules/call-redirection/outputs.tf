output "workspace_sid" {
  description = "The TaskRouter workspace."
  value       = local.workspace_sid
}

output "sales_task_queue_sid" {
  description = "The first task queue of a call."
  value       = twilio_taskrouter_task_queue.this["sales"].sid
}

output "support_task_queue_sid" {
  description = "The second task queue of a call."
  value       = twilio_taskrouter_task_queue.this["support"].sid
}

output "everyone_task_queue_sid" {
  description = "The last task queue of a call that has workers."
  value       = twilio_taskrouter_task_queue.this["everyone"].sid
}

output "placeholder_task_queue_sid" {
  description = "The task queue whose callers are redirected."
  value       = twilio_taskrouter_task_queue.this["placeholder"].sid
}

output "workflow_sid" {
  description = "The workflow."
  value       = twilio_taskrouter_workflow.this.sid
}

output "studio_flow_sid" {
  description = "The Studio flow."
  value       = twilio_studio_flow.this.sid
}

output "studio_flow_webhook_url" {
  description = "What to set as the voice URL of a phone number."
  value       = twilio_studio_flow.this.webhook_url
}
