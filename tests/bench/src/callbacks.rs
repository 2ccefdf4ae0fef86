//! Event callbacks as TaskRouter sends them, signed: the bytes of whole requests.

use std::fmt::Write as _;

use jiff::Timestamp;
use twilio::{AuthToken, FormParams, SIGNATURE_HEADER, sign_form};

/// The account that all of it belongs to.
pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// Its auth token.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// The placeholder task queue.
pub const PLACEHOLDER: &str = "WQ00000000000000000000000000000001";
/// A task queue with agents.
pub const SALES: &str = "WQ00000000000000000000000000000002";
/// The URL that callbacks are signed for.
pub const PUBLIC_URL: &str = "https://overflow.example.com";

const PATH: &str = "/taskrouter/events";
/// After the first step of a plan, of which ingest knows another version.
const LADDER_PATH: &str = "/ladder/v1/sales/1.1/00000000/dialed";

/// The SID of the `number`th call.
pub fn call_sid(number: u64) -> String {
    format!("CA{number:032x}")
}

/// The request that says that the task of the `number`th call entered a task queue just now.
pub fn entered(number: u64, task_queue: &str) -> Vec<u8> {
    let now = Timestamp::now();
    let (seconds, millis) = (
        now.as_second().to_string(),
        now.as_millisecond().to_string(),
    );
    let task = format!("WT{number:032x}");
    let call = call_sid(number);
    let attributes = format!(
        r#"{{"from_country":"US","called":"+14155550100","to_country":"US","to_city":"SAN FRANCISCO","to_state":"CA","caller_country":"US","call_status":"in-progress","call_sid":"{call}","account_sid":"{ACCOUNT}","from_zip":"94105","from":"+14155550123","direction":"inbound","called_zip":"94103","caller_state":"CA","to_zip":"94103","called_country":"US","from_city":"SAN FRANCISCO","called_city":"SAN FRANCISCO","caller_zip":"94105","api_version":"2010-04-01","called_state":"CA","from_state":"CA","caller":"+14155550123","caller_city":"SAN FRANCISCO","to":"+14155550100"}}"#
    );
    let description = format!("Task {task} entered TaskQueue Call Redirection");
    let params = [
        ("EventType", "task-queue.entered"),
        ("Sid", &format!("EV{number:032x}")),
        ("AccountSid", ACCOUNT),
        ("WorkspaceSid", "WS00000000000000000000000000000001"),
        ("WorkspaceName", "Flex Task Assignment"),
        ("OperatingUnitSid", "OU00000000000000000000000000000001"),
        ("Timestamp", &seconds),
        ("TimestampMs", &millis),
        ("ResourceType", "task"),
        ("ResourceSid", &task),
        ("EventDescription", &description),
        ("TaskSid", &task),
        ("TaskAttributes", &attributes),
        ("TaskAge", "20"),
        ("TaskPriority", "0"),
        ("TaskAssignmentStatus", "pending"),
        ("TaskVersion", "3"),
        ("TaskDateCreated", &seconds),
        ("TaskChannelSid", "TC00000000000000000000000000000001"),
        ("TaskChannelUniqueName", "voice"),
        ("TaskQueueSid", task_queue),
        ("TaskQueueName", "Call Redirection"),
        ("TaskQueueTargetExpression", "1==2"),
        ("TaskQueueEnteredDate", &seconds),
        ("WorkflowSid", "WW00000000000000000000000000000001"),
        ("WorkflowName", "Assign to Anyone"),
    ];
    signed(PATH, number, params)
}

/// The request by which Twilio asks what comes next, after nobody took the `number`th call.
pub fn dialed(number: u64) -> Vec<u8> {
    let call = call_sid(number);
    let params = [
        ("AccountSid", ACCOUNT),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", &*call),
        ("CallStatus", "in-progress"),
        ("Direction", "inbound"),
        ("From", "+14155550123"),
        ("To", "+14155550100"),
        ("Caller", "+14155550123"),
        ("Called", "+14155550100"),
        ("DialCallSid", "CA00000000000000000000000000000001"),
        ("DialCallStatus", "no-answer"),
        ("DialBridged", "false"),
    ];
    signed(LADDER_PATH, number, params)
}

fn signed<const N: usize>(path: &str, number: u64, params: [(&str, &str); N]) -> Vec<u8> {
    let url = format!("{PUBLIC_URL}{path}");
    let form: FormParams = params.into_iter().collect();
    let signature = sign_form(&AuthToken::new(TOKEN), &url, &form);
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params)
        .finish();
    let mut request = String::with_capacity(body.len() + 512);
    let written = write!(
        request,
        "POST {path} HTTP/1.1\r\n\
         Host: overflow.example.com\r\n\
         Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         User-Agent: TwilioProxy/1.1\r\n\
         Accept: */*\r\n\
         I-Twilio-Idempotency-Token: 00000000-0000-0000-0000-{number:012x}\r\n\
         {SIGNATURE_HEADER}: {signature}\r\n\r\n{body}",
        body.len()
    );
    debug_assert!(written.is_ok(), "a String takes all");
    request.into_bytes()
}

/// So many requests, for calls of their own, made before anything is measured.
pub fn pool(count: u64, task_queue: &str) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| entered(number, task_queue))
        .collect()
}
