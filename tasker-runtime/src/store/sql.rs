//! The statements, each named once; their text stands in `sql/`.

use super::Statement;

macro_rules! statements {
    ($($(#[$when:meta])? $name:ident = $form:ident $file:literal;)+) => {
        $($(#[$when])? pub(crate) static $name: Statement = text!($form $file);)+

        /// Every statement, for the test that prepares them all.
        #[cfg(test)]
        pub(super) static ALL: &[&Statement] = &[$($(#[$when])? &$name),+];
    };
}

macro_rules! text {
    (shared $file:literal) => {
        Statement::shared(include_str!(concat!("../../sql/", $file, ".sql")))
    };
    // One statement on PostgreSQL; several on SQLite, made one transaction here.
    (whole $file:literal) => {
        Statement::twin(
            include_str!(concat!("../../sql/postgres/", $file, ".sql")),
            concat!(
                "begin immediate;\n",
                include_str!(concat!("../../sql/sqlite/", $file, ".sql")),
                ";\ncommit"
            ),
        )
    };
    (twin $file:literal) => {
        Statement::twin(
            include_str!(concat!("../../sql/postgres/", $file, ".sql")),
            include_str!(concat!("../../sql/sqlite/", $file, ".sql")),
        )
    };
}

statements! {
    RECORD_IN = twin "record";
    SUBMIT_IN = twin "submit";
    SUBMIT = whole "submit";
    SUBMIT_KEYED = whole "submit_keyed";
    SUBMIT_KEYED_IN = twin "submit_keyed";
    FIND_KEYS = twin "find_keys";
    OUTCOME = twin "outcome";
    ADD_KEY = shared "add_key";
    FIND_KEY = shared "find_key";
    LOCK_RUN = twin "lock_run";
    SET_RUN = shared "set_run";
    REOPEN_RUN = shared "reopen_run";
    SAVE_CHECKPOINT = twin "save_checkpoint";
    LOAD_CHECKPOINT = shared "load_checkpoint";
    ADD_COMMAND = twin "add_command";
    COMMANDS = shared "commands";
    PENDING_COMMAND = twin "pending_command";
    DROP_COMMAND = shared "drop_command";
    TAKE_BACK_COMMAND = shared "take_back_command";
    CHILDREN = shared "children";
    CHILDREN_COUNTS = shared "children_counts";
    HOLD_PARENT = twin "hold_parent";
    PUT_CHILDREN = twin "put_children";
    SET_PARENT = twin "set_parent";
    LOCK_FAMILY = twin "lock_family";
    CHILDREN_ENDED = twin "children_ended";
    TELL_PARENTS = twin "tell_parents";
    WAKE_PARENTS = twin "wake_parents";
    ASK_CHILDREN = twin "ask_children";
    AUDIT_CHILDREN = twin "audit_children";
    KIN = shared "kin";
    PARENT = shared "parent";
    SIGNALS = twin "signals";
    SIGNAL_COUNTS = shared "signal_counts";
    SIGNALS_USED = twin "signals_used";
    SIGNAL_OF_KEY = shared "signal_of_key";
    ADD_SIGNAL = twin "add_signal";
    RESOLVE_DEAD_LETTER = shared "resolve_dead_letter";
    AUDIT = twin "audit";
    AUDIT_TRAIL = shared "audit_trail";
    ANSWER = shared "answer";
    REFUSE = shared "refuse";
    CLAIM = twin "claim";
    NEXT_DUE = shared "next_due";
    DUE = twin "due";
    STEP_WORKERS = shared "step_workers";
    HELD_BY = shared "held_by";
    LET_GO = shared "let_go";
    BORROWED = shared "borrowed";
    JOURNAL = twin "journal";
    FAILURES = twin "failures";
    STEP_RESULTS = twin "step_results";
    STEP_FAILURES = twin "step_failures";
    RECORD = whole "record";
    APPEND_IN = twin "append";
    EVENTS = shared "events";
    TASK_EVENTS = shared "task_events";
    EVENT_LETTERS = shared "event_letters";
    EVENTS_EDGE = twin "events_edge";
    EVENT_WRITERS = twin "event_writers";
    APPEND_EVENTS_IN = twin "append_events";
    APPEND = whole "append";
    APPEND_EVENTS = whole "append_events";
    FORGET_ROUNDS = twin "forget_rounds";
    REOPEN_STEPS = twin "reopen_steps";
    END_WAITS = twin "end_waits";
    HELD = twin "held";
    HOLD_RUN = twin "hold_run";
    PROGRESSED = twin "progressed";
    QUARANTINE = twin "quarantine";
    PUT_TEMPLATE = twin "put_template";
    TEMPLATE_VERSIONS = shared "template_versions";
    TEMPLATE_CONTENT = shared "template_content";
    OPEN_TASK_OF = shared "open_task_of";
    ADD_WORKER = twin "add_worker";
    SET_HANDLERS = twin "set_handlers";
    HEARTBEAT = twin "heartbeat";
    ACTIVITY = shared "activity";
    EXPIRED_WORKERS = twin "expired_workers";
    LIVE_WORKERS = shared "live_workers";
    TAKE_BACK = shared "take_back";
    STOP_WORKER = shared "stop_worker";
    LOCK_WORKER = twin "lock_worker";
    NOT_DEAD = twin "not_dead";
    LOANS_NOT_DEAD = twin "loans_not_dead";
    FIND_TASK = shared "find_task";
    PINNED_TEMPLATE = shared "pinned_template";
    SET_ORIGIN = twin "set_origin";
    BEGIN_WITH_JOURNAL = shared "begin_with_journal";
    LIST_TASKS = shared "list_tasks";
    IN_FLIGHT_TASKS = shared "in_flight_tasks";
    IN_FLIGHT_COUNTS = shared "in_flight_counts";
    LIST_EDGE = shared "list_edge";
    LAST_TASK = shared "last_task";
    TASK_NUMBER = shared "task_number";
    OFFERS_OF = twin "offers_of";
    #[cfg(feature = "bench")]
    FLOOR_DROP = shared "floor_drop";
    #[cfg(feature = "bench")]
    FLOOR_CREATE = twin "floor_create";
    #[cfg(feature = "bench")]
    FLOOR_APPEND = twin "floor_append";
    #[cfg(feature = "bench")]
    BENCH_SERVER = twin "bench_server";
    #[cfg(feature = "bench")]
    BENCH_SETTINGS = twin "bench_settings";
    #[cfg(feature = "bench")]
    BENCH_COMPLETE = shared "bench_complete";
    OFFER = twin "offer";
    TAKE_OFFERS = twin "take_offers";
    TASK_DATA = twin "task_data";
    ON_OFFER = shared "on_offer";
    HAND_BACK_OFFER = shared "hand_back_offer";
    FREE_OFFERS = shared "free_offers";
    WITHDRAW_OFFERS = shared "withdraw_offers";
    WITHDRAW_TASK = shared "withdraw_task";
    LENT = shared "lent";
    DROP_RETURNED = shared "drop_returned";
    DROP_OFFERS = twin "drop_offers";
    TASK_OFFERS = shared "task_offers";
    NOTIFY = twin "notify";
    APPLIED_MIGRATIONS = twin "applied_migrations";
    #[cfg(feature = "postgres")]
    MIGRATION_LOCK = twin "migration_lock";
    #[cfg(feature = "postgres")]
    SCHEMA_IS_THERE = twin "schema_is_there";
    #[cfg(feature = "postgres")]
    ADD_MIGRATION = twin "add_migration";
    DEAD_LETTER = shared "dead_letter";
    DEAD_LETTERS = shared "dead_letters";
    CONNECTIONS = twin "connections";
    PRUNE_EDGE = shared "prune_edge";
    PRUNABLE = shared "prunable";
    PRUNE = whole "prune";
    KEYS_EDGE = shared "keys_edge";
    PRUNE_KEYS = shared "prune_keys";
    NOW = twin "now";
    SCHEDULES = shared "schedules";
    SCHEDULE = shared "schedule";
    TEMPLATE_SCHEDULES = shared "template_schedules";
    DUE_SCHEDULES = twin "due_schedules";
    LOCK_SCHEDULES = twin "lock_schedules";
    LOCK_SCHEDULE = twin "lock_schedule";
    MOVE_SCHEDULES = twin "move_schedules";
    PUT_SCHEDULE = twin "put_schedule";
    PAUSE_SCHEDULE = shared "pause_schedule";
    DELETE_SCHEDULE = shared "delete_schedule";
    OPEN_TASKS = twin "open_tasks";
    PUT_TURNS = twin "put_turns";
    LOCK_TURNS = twin "lock_turns";
    TAKEN_TURNS = twin "taken_turns";
    GIVE_TURNS = twin "give_turns";
    TURN_KEYS = twin "turn_keys";
    TURN_LINES = twin "turn_lines";
    TURNS_BEFORE = shared "turns_before";
    LEAVE_LINE = shared "leave_line";
    TURN_OF = shared "turn_of";
    REOPEN_TURNS = shared "reopen_turns";
    VERSION = twin "version";
}
