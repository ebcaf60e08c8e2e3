create table inbox_event (
    id text not null primary key,
    provider text not null,
    delivery_id text not null,
    kind text not null,
    state text not null check (state in ('queued', 'done', 'parked', 'unreadable')),
    body text,
    received_at bigint not null,
    run_at bigint not null,
    attempt bigint not null,
    fence bigint not null,
    error text,
    customer_id text,
    subscription_id text,
    settled_at bigint,
    constraint inbox_delivery unique (provider, delivery_id)
);

create index inbox_event_due on inbox_event (run_at) where state = 'queued';
create index inbox_event_parked on inbox_event (customer_id) where state = 'parked';
create index inbox_event_received on inbox_event (received_at);

create table polar_customer (
    id text not null primary key,
    external_id text,
    revision bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);

create index polar_customer_external on polar_customer (external_id);

create table polar_subscription (
    id text not null primary key,
    customer_id text not null references polar_customer (id),
    revision bigint not null,
    told_at bigint not null,
    status text not null,
    plan text,
    current_period_start bigint,
    current_period_end bigint,
    trial_end bigint,
    cancel_at_period_end bigint not null,
    canceled_at bigint,
    ends_at bigint,
    past_due_at bigint,
    pause_at_period_end bigint not null,
    resumes_at bigint,
    check_at bigint,
    created_at bigint not null,
    updated_at bigint not null
);

create index polar_subscription_customer on polar_subscription (customer_id);
create index polar_subscription_check on polar_subscription (check_at) where check_at is not null;
create index polar_subscription_active on polar_subscription (id) where status = 'active';

alter table subscriptions add column subscription_id text;

create table recurring_job (
    name text not null primary key,
    next_at bigint not null
);

insert into recurring_job (name, next_at) values ('inbox.trim', 0), ('polar.sweep', 0);
