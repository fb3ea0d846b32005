//! The rules of a rotation in Secrets Manager, as a policy; and the way back.

use crate::aws::provisioning::ManagedRotation;
use crate::config;
use crate::onboard::coverage::{array, quoted};
use crate::policy::Place;

/// When a secret is rotated whose rotation had no schedule.
const NO_SCHEDULE: &str = "30d";

/// The most days of a `rate(...)`; AutomaticallyAfterDays goes to 1,000 ("Schedule expressions in Secrets Manager
/// rotation", and the service model).
const MOST_DAYS_OF_RATE: i64 = 999;

/// The schedule of a rotation.
pub fn schedule_of(rotation: &ManagedRotation) -> String {
    match (&rotation.schedule, rotation.after_days) {
        (Some(expression), _) => expression.clone(),
        (None, Some(1)) => "rate(1 day)".to_owned(),
        (None, Some(days @ 2..=MOST_DAYS_OF_RATE)) => format!("rate({days} days)"),
        (None, Some(days)) => format!("{days}d"),
        (None, None) => NO_SCHEDULE.to_owned(),
    }
}

/// A policy with these rules, as TOML. Both passwords stay valid until the next rotation, as the function left them.
pub fn policy_lines(name: &str, place: &Place, rotation: &ManagedRotation, secret: &str, user_id: &str) -> String {
    let with_window = |window: Option<&str>| {
        let window = window.map_or_else(String::new, |window| format!("window = {}\n", quoted(window)));
        format!(
            "[policy.{name}]\naws = {}\nschedule = {}\n{window}overlap = \"until-next-rotation\"\n{}{}",
            quoted(&place.name),
            quoted(&schedule_of(rotation)),
            array("secrets", [secret].into()),
            array("allow_users", [user_id].into()),
        )
    };
    let whole = with_window(rotation.duration.as_deref());
    let stub = format!("[aws.{}]\nregion = {}\n", place.name, quoted(&place.region));
    match config::parse_str("the policy", &(stub + &whole)) {
        Ok(_) => whole,
        // A window that a policy with these rules cannot have: without one it begins whenever it is due.
        Err(_) => with_window(None),
    }
}

/// A policy's name for a secret: its last part, in the letters that such names have.
pub fn policy_name(secret: &str) -> String {
    let last = secret.rsplit('/').next().unwrap_or(secret).to_ascii_lowercase();
    let letters = last.chars().map(|letter| match letter {
        'a'..='z' | '0'..='9' => letter,
        _ => '_',
    });
    let name: String = letters.collect();
    match name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        true => name,
        false => format!("p_{name}"),
    }
}

/// The command that gives the secret back to its function, if it ever had one.
pub fn back(rotation: &ManagedRotation, secret_arn: &str, region: &str) -> Option<String> {
    let lambda = rotation.lambda_arn.as_ref()?;
    let mut rules = serde_json::Map::new();
    if let Some(expression) = &rotation.schedule {
        rules.insert("ScheduleExpression".to_owned(), expression.as_str().into());
    } else if let Some(days) = rotation.after_days {
        rules.insert("AutomaticallyAfterDays".to_owned(), days.into());
    }
    if let Some(duration) = &rotation.duration {
        rules.insert("Duration".to_owned(), duration.as_str().into());
    }
    let rules = match rules.is_empty() {
        true => String::new(),
        false => format!(" --rotation-rules '{}'", serde_json::Value::Object(rules)),
    };
    Some(format!(
        "aws secretsmanager rotate-secret --region {region} --secret-id {secret_arn} --rotation-lambda-arn \
         {lambda}{rules} --no-rotate-immediately"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Budgets;

    fn place() -> Place {
        Place {
            name: "main".to_owned(),
            region: "eu-central-1".to_owned(),
            profile: None,
            role: None,
            secrets_manager_endpoint: None,
            elasticache_endpoint: None,
            event_bridge_endpoint: None,
            dynamodb_endpoint: None,
            sts_endpoint: None,
            use_fips: None,
            use_dualstack: None,
            budgets: Budgets::default(),
        }
    }

    fn rotation(schedule: Option<&str>, days: Option<i64>, duration: Option<&str>) -> ManagedRotation {
        ManagedRotation {
            enabled: true,
            lambda_arn: Some("arn:aws:lambda:eu-central-1:123456789012:function:rotate".to_owned()),
            after_days: days,
            schedule: schedule.map(str::to_owned),
            duration: duration.map(str::to_owned),
        }
    }

    #[test]
    fn rules_become_policies_that_the_configuration_takes() {
        for (rules, schedule, window) in [
            (
                rotation(Some("cron(0 8 1 * ? *)"), None, Some("3h")),
                "cron(0 8 1 * ? *)",
                Some("3h"),
            ),
            (
                rotation(Some("rate(10 hours)"), None, Some("2h")),
                "rate(10 hours)",
                Some("2h"),
            ),
            (rotation(None, Some(30), None), "rate(30 days)", None),
            (rotation(None, Some(1), None), "rate(1 day)", None),
            (rotation(None, Some(1_000), None), "1000d", None),
            (rotation(None, None, None), "30d", None),
        ] {
            let lines = policy_lines("user1", &place(), &rules, "production/ec/user1", "user1");
            let loaded = config::parse_str("x", &format!("[aws.main]\nregion = \"eu-central-1\"\n{lines}"));
            let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}: {lines}"));
            assert!(loaded.config.policies.contains_key("user1"));
            assert!(lines.contains(&format!("schedule = {schedule:?}")), "{lines}");
            assert_eq!(lines.contains("window"), window.is_some(), "{lines}");
            assert!(lines.contains("overlap = \"until-next-rotation\""));
        }
    }

    #[test]
    fn the_way_back_has_the_old_rules_and_the_old_function() {
        let back = |rules| back(&rules, "arn:secret", "eu-central-1").unwrap_or_default();
        let with_cron = back(rotation(Some("cron(0 8 1 * ? *)"), None, Some("3h")));
        assert!(
            with_cron.contains("'{\"ScheduleExpression\":\"cron(0 8 1 * ? *)\",\"Duration\":\"3h\"}'"),
            "{with_cron}"
        );
        assert!(with_cron.contains("function:rotate") && with_cron.ends_with("--no-rotate-immediately"));
        assert!(back(rotation(None, Some(30), None)).contains("'{\"AutomaticallyAfterDays\":30}'"));
    }

    #[test]
    fn policies_are_named_after_their_secret() {
        for (secret, name) in [
            ("production/ec/user1", "user1"),
            ("My-Secret.x", "my_secret_x"),
            ("a/1st", "p_1st"),
        ] {
            assert_eq!(policy_name(secret), name);
        }
    }
}
