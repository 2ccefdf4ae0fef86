locals {
  # The same files that `overflow setup` embeds.
  definitions = "${path.module}/../../../provision/definitions"
  resources   = jsondecode(file("${local.definitions}/resources.json"))

  prefix        = coalesce(var.prefix, local.resources.prefix)
  workspace_sid = var.workspace_sid != null ? var.workspace_sid : one(data.twilio_taskrouter_workspaces.flex[0].workspaces).sid
}

data "twilio_taskrouter_workspaces" "flex" {
  count = var.workspace_sid == null ? 1 : 0

  friendly_name = local.resources.workspace

  lifecycle {
    postcondition {
      condition     = length(self.workspaces) == 1
      error_message = "Expected one workspace named \"${local.resources.workspace}\", found ${length(self.workspaces)}. Set workspace_sid."
    }
  }
}

data "twilio_taskrouter_task_channel" "voice" {
  workspace_sid = local.workspace_sid
  unique_name   = "voice"
}

resource "twilio_taskrouter_task_queue" "this" {
  for_each = local.resources.task_queues

  workspace_sid  = local.workspace_sid
  friendly_name  = "${local.prefix} ${each.value.name}"
  target_workers = each.value.target_workers
}

resource "twilio_taskrouter_workflow" "this" {
  workspace_sid = local.workspace_sid
  friendly_name = "${local.prefix} ${local.resources.workflow}"

  task_reservation_timeout = coalesce(var.task_reservation_timeout, local.resources.task_reservation_timeout)

  # Decoded and encoded again, so that its layout makes no difference.
  configuration = jsonencode(jsondecode(templatefile("${local.definitions}/workflow.json", {
    sales_sid       = twilio_taskrouter_task_queue.this["sales"].sid
    support_sid     = twilio_taskrouter_task_queue.this["support"].sid
    everyone_sid    = twilio_taskrouter_task_queue.this["everyone"].sid
    placeholder_sid = twilio_taskrouter_task_queue.this["placeholder"].sid
  })))
}

resource "twilio_studio_flow" "this" {
  friendly_name = "${local.prefix} ${local.resources.studio_flow}"
  status        = "published"
  validate      = true

  definition = jsonencode(jsondecode(templatefile("${local.definitions}/studio_flow.json", {
    workflow_sid      = twilio_taskrouter_workflow.this.sid
    voice_channel_sid = data.twilio_taskrouter_task_channel.voice.sid
  })))
}
