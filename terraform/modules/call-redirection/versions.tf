terraform {
  required_version = ">= 1.4"

  required_providers {
    twilio = {
      source  = "RJPearson94/twilio"
      version = "~> 0.27"
    }
  }
}
