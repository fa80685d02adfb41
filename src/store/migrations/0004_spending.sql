-- What every caller used on each day, for the budgets of the day. `day` counts from 1970-01-01, UTC; money is in
-- nano-dollars, without what has no price.
CREATE TABLE spending (
    day             INTEGER NOT NULL,
    caller          TEXT    NOT NULL,
    calls           INTEGER NOT NULL,
    tokens          INTEGER NOT NULL,
    unpriced_calls  INTEGER NOT NULL,
    unpriced_tokens INTEGER NOT NULL,
    nano_dollars    INTEGER NOT NULL,
    wall_ms         INTEGER NOT NULL,
    PRIMARY KEY (day, caller)
) STRICT;
