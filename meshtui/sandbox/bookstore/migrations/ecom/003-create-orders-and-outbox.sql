create table orders (
    id          uuid primary key default gen_random_uuid(),
    customer    text not null,
    status      text not null,
    total_cents integer not null,
    created_at  timestamptz not null default now()
);

create table order_items (
    order_id    uuid not null references orders (id) on delete cascade,
    book_id     uuid not null references books (id) on update cascade,
    quantity    integer not null check (quantity > 0),
    price_cents integer not null,
    primary key (order_id, book_id)
);

-- Written in the order's own transaction: an event exists exactly when its order does.
create table outbox_events (
    id           uuid primary key default gen_random_uuid(),
    aggregate_id uuid not null,
    type         text not null,
    payload      jsonb not null,
    created_at   timestamptz not null default now()
);
