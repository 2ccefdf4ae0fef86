terraform {
  required_version = ">= 1.4"

  required_providers {
    twilio = {
      source  = "RJPearson94/twilio"
      version = "~> 0.27"
    }
  }
}

provider "twilio" {
  account_sid = var.TWILIO_ACCOUNT_SID
  auth_token  = var.TWILIO_AUTH_TOKEN
}

module "call_redirection" {
  source = "../../modules/call-redirection"

  workspace_sid            = var.workspace_sid
  prefix                   = var.prefix
  task_reservation_timeout = var.task_reservation_timeout
}
