use super::*;
use crate::clock::Timestamp;
use crate::store::shared::command::{Request, Scope};
use crate::store::table::memory::MemoryTable;

fn command(scope: Scope) -> Command {
    let request = Request {
        method: "GET".to_owned(),
        path: "/livez".to_owned(),
        body: String::new(),
    };
    Command::new(
        "c".to_owned(),
        request,
        "alice".to_owned(),
        Timestamp::UNIX_EPOCH,
        scope,
    )
}

async fn set_beat(table: &MemoryTable, session: &str, beat: u64) {
    let key = layout::session(session);
    table.delete(&key, Condition::Has(Vec::new())).await.unwrap_or_default();
    let change = Change::new().set(BEAT, beat);
    table.write(&key, change, Condition::Absent).await.unwrap();
}

async fn sessions_of(table: &MemoryTable) -> Sessions {
    let command = command(Scope::Any);
    match ask(table, &command, Patience::LOOK).await {
        Err(NotAnswered::Withdrawn { sessions }) => sessions,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_withdrawn_and_who_lives_is_told() {
    let table = std::sync::Arc::new(MemoryTable::new());
    let begun = tokio::time::Instant::now();
    let nobody = sessions_of(&table).await;
    assert_eq!((nobody.known(), nobody.alive()), (0, 0));
    assert!(begun.elapsed() < Duration::from_secs(4), "nobody waits for nobody");
    let key = layout::command("c");
    let left = table.get(&key).await.unwrap().unwrap();
    assert_eq!(State::of(&left), Some(State::Withdrawn));
    table.delete(&key, Condition::Has(Vec::new())).await.unwrap();

    set_beat(&table, "dead", 7).await;
    set_beat(&table, "alive", 1).await;
    let beating = tokio::spawn({
        let table = table.clone();
        async move {
            for beat in 2.. {
                tokio::time::sleep(Duration::from_secs(5)).await;
                set_beat(&table, "alive", beat).await;
            }
        }
    });
    let both = sessions_of(&table).await;
    beating.abort();
    assert_eq!((both.known(), both.alive()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_command_cannot_be_taken_nor_written_again() {
    let table = MemoryTable::new();
    let command = command(Scope::Any);
    assert!(matches!(withdraw(&table, &command).await, Withdrawal::Done));
    // The write that was thought lost.
    let (key, creation) = (command.key(), command.creation().unwrap());
    assert!(table.write(&key, creation, Condition::Absent).await.is_err());
    let take = Change::new().set(STATE, State::Taken.label());
    let on = Condition::is(STATE, State::Waiting.label());
    assert!(table.write(&command.key(), take, on).await.is_err());
    assert!(matches!(withdraw(&table, &command).await, Withdrawal::Done));
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_is_not_withdrawn_and_its_silence_is_told_as_what_it_is() {
    let table = MemoryTable::new();
    let command = command(Scope::Any);
    let taken = command
        .creation()
        .unwrap()
        .set(STATE, State::Taken.label())
        .set(TAKEN_BY, "s1")
        .set(HOST, "h1");
    table.write(&command.key(), taken, Condition::Absent).await.unwrap();
    assert!(matches!(withdraw(&table, &command).await, Withdrawal::Taken(_)));
    match ask(&table, &command, Patience::COMMAND).await {
        Err(NotAnswered::Lost { by }) => assert_eq!(by, "h1"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_that_do_not_reply_are_waited_for_no_longer_than_told() {
    let table = MemoryTable::new();
    let reply = Reply {
        status: 200,
        body: "{}".to_owned(),
    };
    let me = crate::store::shared::replying::Replier {
        session: "a".to_owned(),
        host: "h".to_owned(),
    };
    crate::store::shared::replying::reply_of_one(&table, "c", &me, &reply, 0)
        .await
        .unwrap();
    let expected = ["a".to_owned(), "b".to_owned()];
    let begun = tokio::time::Instant::now();
    let replies = ask_each(&table, &command(Scope::Each), &expected, Duration::from_secs(9)).await;
    assert_eq!(replies.unwrap(), [("a".to_owned(), reply)].into());
    assert_eq!(begun.elapsed().as_secs(), 9);
}
