-- Mail as its mailboxes read it.

-- 1: a trial; it takes the whole path and goes to nobody
alter table messages add column is_test {bigint} not null default 0;

-- Received, and not read yet; a row goes when its letter is written.
create table arrivals (
    message_id text primary key references messages (id),
    tenant_id text not null,
    mailbox_id text not null,
    -- the address it came to, as RCPT said
    recipient text not null,
    client text,
    helo text,
    -- what was found before 250; null: still to be judged
    authentication {json},
    screening {json},
    -- readings that began and left no outcome
    unfinished {bigint} not null
){strict};

create table threads (
    id text primary key,
    tenant_id text not null,
    mailbox_id text not null,
    subject text not null,
    messages {bigint} not null,
    started_at {bigint} not null,
    last_at {bigint} not null,
    labels {json} not null,
    -- where its messages went; a merged thread is found under its old id too
    merged_into text
){strict};
create index threads_by_mailbox on threads (mailbox_id, last_at, id) where merged_into is null;
create index threads_by_tenant on threads (tenant_id, last_at, id) where merged_into is null;

create table letters (
    number {bigint} primary key,
    message_id text not null unique references messages (id),
    tenant_id text not null,
    mailbox_id text not null,
    thread_id text not null references threads (id),
    direction text not null check (direction in ('out', 'in')),
    at {bigint} not null,
    kind text not null,
    -- 1: a program wrote it, nobody waits for an answer
    automatic {bigint} not null,
    intent text,
    standing text not null check (standing in ('accepted', 'blocked', 'quarantined')),
    -- the author's address, as address keys are written
    sender text not null,
    -- its Message-ID and the one it answers, in angle brackets
    header_id text not null,
    in_reply_to text,
    thread_index text,
    subject text not null,
    preview text not null,
    people {json} not null,
    refs {json} not null,
    attachments {json} not null,
    labels {json} not null,
    flags {json} not null,
    evidence {json} not null,
    match {json} not null,
    authentication {json},
    screening {json}
){strict};
create index letters_by_mailbox on letters (mailbox_id, number);
create index letters_by_thread on letters (thread_id, number);
create index letters_by_sender on letters (mailbox_id, sender, number);
create index letters_by_header_id on letters (mailbox_id, header_id);
create index letters_received on letters (tenant_id, number) where direction = 'in';
create index letters_by_answered on letters (mailbox_id, in_reply_to) where in_reply_to is not null;
create index letters_by_thread_index on letters (mailbox_id, thread_index) where thread_index is not null;

create table letter_texts (
    message_id text primary key references messages (id),
    tenant_id text not null,
    text text not null,
    html text,
    extracted_text text not null,
    extracted_html text,
    signature text not null,
    visible_text text not null,
    hidden_text text not null
){strict};

create table letter_labels (
    mailbox_id text not null,
    label text not null,
    number {bigint} not null references letters (number),
    tenant_id text not null,
    primary key (mailbox_id, label, number)
){strict};

-- Words to letter numbers; what it was made from stands in letters and letter_texts.
{sqlite:create virtual table letter_search using fts5 (
    scope, subject, people, body, content = '', prefix = '2 3 4', tokenize = 'unicode61 remove_diacritics 2'
)};
{postgresql:create table letter_search (rowid bigint primary key, words tsvector not null)};
{postgresql:create index letter_search_by_word on letter_search using gin (words)};
