SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.account (
    account_id bigint NOT NULL,
    name text NOT NULL,
    folded_name text NOT NULL,
    full_name text NOT NULL,
    role text NOT NULL,
    language text NOT NULL,
    password_hash text NOT NULL,
    must_change boolean NOT NULL,
    is_active boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    signed_in_at timestamp with time zone
);
CREATE SEQUENCE public.account_account_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.account_account_id_seq OWNED BY public.account.account_id;
CREATE TABLE public.answer (
    answer_id bigint NOT NULL,
    case_sequence bigint NOT NULL,
    consultation_id bigint NOT NULL,
    sop_instance_uid text NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    text text NOT NULL,
    note text,
    author text NOT NULL,
    verified boolean NOT NULL,
    complete boolean NOT NULL,
    written_at timestamp with time zone,
    received_at timestamp with time zone NOT NULL,
    spool_key text
);
CREATE SEQUENCE public.answer_answer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.answer_answer_id_seq OWNED BY public.answer.answer_id;
CREATE TABLE public.arrival (
    arrival_id bigint NOT NULL,
    sop_instance_uid text NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    spool_key text NOT NULL,
    sha256 text NOT NULL,
    size_bytes bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    calling_ae_title text NOT NULL,
    peer_host text NOT NULL,
    quarantined boolean NOT NULL
);
CREATE SEQUENCE public.arrival_arrival_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.arrival_arrival_id_seq OWNED BY public.arrival.arrival_id;
CREATE TABLE public.audit (
    entry_id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL,
    address text NOT NULL
);
CREATE SEQUENCE public.audit_entry_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.audit_entry_id_seq OWNED BY public.audit.entry_id;
CREATE TABLE public."case" (
    sequence bigint NOT NULL,
    case_id text NOT NULL,
    study_instance_uid text NOT NULL,
    accession_number text NOT NULL,
    patient_id text NOT NULL,
    patient_name text NOT NULL,
    patient_sex text NOT NULL,
    patient_birth_date text NOT NULL,
    patient_age_years double precision,
    search_text text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    read_at timestamp with time zone NOT NULL,
    priority text NOT NULL,
    urgency integer NOT NULL,
    exposed_at timestamp with time zone
);
CREATE SEQUENCE public.case_sequence_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.case_sequence_seq OWNED BY public."case".sequence;
CREATE TABLE public.consultation (
    consultation_id bigint NOT NULL,
    case_sequence bigint NOT NULL,
    state text NOT NULL,
    question text NOT NULL,
    priority text NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    request_uid text NOT NULL,
    answered_at timestamp with time zone,
    overdue_at timestamp with time zone,
    announced integer DEFAULT 0 NOT NULL,
    announced_at timestamp with time zone,
    next_poll_at timestamp with time zone,
    polls integer DEFAULT 0 NOT NULL,
    watched boolean DEFAULT false NOT NULL,
    obstacle text,
    obstacle_detail text DEFAULT ''::text NOT NULL,
    seen_at timestamp with time zone
);
CREATE SEQUENCE public.consultation_consultation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.consultation_consultation_id_seq OWNED BY public.consultation.consultation_id;
CREATE TABLE public.delivery (
    delivery_id bigint NOT NULL,
    destination text NOT NULL,
    sop_instance_uid text NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    spool_key text NOT NULL,
    sha256 text NOT NULL,
    size_bytes bigint NOT NULL,
    what text NOT NULL,
    work_kind text NOT NULL,
    queued_at timestamp with time zone NOT NULL,
    acknowledged_at timestamp with time zone,
    refused_at timestamp with time zone,
    status text,
    peer text,
    sent_bytes bigint
);
CREATE SEQUENCE public.delivery_delivery_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.delivery_delivery_id_seq OWNED BY public.delivery.delivery_id;
CREATE TABLE public.destination (
    name text NOT NULL,
    last_success_at timestamp with time zone,
    last_error text,
    reachable boolean
);
CREATE TABLE public.drawn_prefix (
    "only" integer NOT NULL,
    prefix text NOT NULL
);
CREATE TABLE public.film_order (
    order_id bigint NOT NULL,
    form_key text NOT NULL,
    accession_number text NOT NULL,
    study_instance_uid text NOT NULL,
    patient_id text NOT NULL,
    patient_name text NOT NULL,
    patient_birth_date date,
    patient_sex text NOT NULL,
    address text NOT NULL,
    citizen_number text NOT NULL,
    insurance_number text NOT NULL,
    referring_physician text NOT NULL,
    procedure text NOT NULL,
    reason text NOT NULL,
    search_text text NOT NULL,
    scheduled_at timestamp with time zone NOT NULL,
    registered_at timestamp with time zone NOT NULL,
    registered_by text NOT NULL,
    state text NOT NULL
);
CREATE SEQUENCE public.film_order_order_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.film_order_order_id_seq OWNED BY public.film_order.order_id;
CREATE TABLE public.heat (
    sop_instance_uid text NOT NULL,
    png bytea NOT NULL
);
CREATE TABLE public.image (
    image_id bigint NOT NULL,
    case_sequence bigint NOT NULL,
    sop_instance_uid text NOT NULL,
    arrival_id bigint NOT NULL,
    priority text NOT NULL,
    urgency integer NOT NULL,
    reason text,
    reading text NOT NULL,
    picture_key text,
    received_at timestamp with time zone NOT NULL,
    read_at timestamp with time zone NOT NULL,
    exposed_at timestamp with time zone
);
CREATE SEQUENCE public.image_image_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.image_image_id_seq OWNED BY public.image.image_id;
CREATE TABLE public.link_change (
    link_change_id bigint NOT NULL,
    destination text NOT NULL,
    reachable boolean NOT NULL,
    at timestamp with time zone NOT NULL,
    error text
);
CREATE SEQUENCE public.link_change_link_change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.link_change_link_change_id_seq OWNED BY public.link_change.link_change_id;
CREATE TABLE public.passed_over (
    passed_over_id bigint NOT NULL,
    case_sequence bigint NOT NULL,
    sop_instance_uid text NOT NULL,
    why text NOT NULL,
    obstacle text,
    tries integer DEFAULT 0 NOT NULL,
    retry_at timestamp with time zone
);
CREATE SEQUENCE public.passed_over_passed_over_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.passed_over_passed_over_id_seq OWNED BY public.passed_over.passed_over_id;
CREATE TABLE public.performed_step (
    step_id bigint NOT NULL,
    sop_instance_uid text NOT NULL,
    state text NOT NULL,
    calling_ae_title text NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.performed_step_step_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.performed_step_step_id_seq OWNED BY public.performed_step.step_id;
CREATE TABLE public.router_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.scheduled_step (
    scheduled_step_id bigint NOT NULL,
    step_id bigint NOT NULL,
    accession_number text NOT NULL,
    study_instance_uid text NOT NULL
);
CREATE SEQUENCE public.scheduled_step_scheduled_step_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.scheduled_step_scheduled_step_id_seq OWNED BY public.scheduled_step.scheduled_step_id;
CREATE TABLE public.session (
    session_hash text NOT NULL,
    account_id bigint NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL
);
CREATE TABLE public.sign_in_attempt (
    source text NOT NULL,
    failures integer NOT NULL,
    last_at timestamp with time zone NOT NULL
);
CREATE TABLE public.token (
    token_id bigint NOT NULL,
    account_id bigint NOT NULL,
    token_hash text NOT NULL,
    label text NOT NULL,
    made_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    revoked_at timestamp with time zone
);
CREATE SEQUENCE public.token_token_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.token_token_id_seq OWNED BY public.token.token_id;
CREATE TABLE public.triage_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.verdict (
    verdict_id bigint NOT NULL,
    case_sequence bigint NOT NULL,
    agrees boolean NOT NULL,
    note text NOT NULL,
    given_at timestamp with time zone NOT NULL,
    given_by text DEFAULT ''::text NOT NULL
);
CREATE SEQUENCE public.verdict_verdict_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.verdict_verdict_id_seq OWNED BY public.verdict.verdict_id;
CREATE TABLE public.work (
    work_id bigint NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    rank integer NOT NULL,
    size bigint NOT NULL,
    state text NOT NULL,
    due_at timestamp with time zone,
    attempt integer NOT NULL,
    fence integer NOT NULL,
    node text,
    error text,
    CONSTRAINT work_state CHECK ((state = ANY (ARRAY['waiting'::text, 'working'::text, 'done'::text, 'refused'::text])))
);
CREATE SEQUENCE public.work_work_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.work_work_id_seq OWNED BY public.work.work_id;
ALTER TABLE ONLY public.account ALTER COLUMN account_id SET DEFAULT nextval('public.account_account_id_seq'::regclass);
ALTER TABLE ONLY public.answer ALTER COLUMN answer_id SET DEFAULT nextval('public.answer_answer_id_seq'::regclass);
ALTER TABLE ONLY public.arrival ALTER COLUMN arrival_id SET DEFAULT nextval('public.arrival_arrival_id_seq'::regclass);
ALTER TABLE ONLY public.audit ALTER COLUMN entry_id SET DEFAULT nextval('public.audit_entry_id_seq'::regclass);
ALTER TABLE ONLY public."case" ALTER COLUMN sequence SET DEFAULT nextval('public.case_sequence_seq'::regclass);
ALTER TABLE ONLY public.consultation ALTER COLUMN consultation_id SET DEFAULT nextval('public.consultation_consultation_id_seq'::regclass);
ALTER TABLE ONLY public.delivery ALTER COLUMN delivery_id SET DEFAULT nextval('public.delivery_delivery_id_seq'::regclass);
ALTER TABLE ONLY public.film_order ALTER COLUMN order_id SET DEFAULT nextval('public.film_order_order_id_seq'::regclass);
ALTER TABLE ONLY public.image ALTER COLUMN image_id SET DEFAULT nextval('public.image_image_id_seq'::regclass);
ALTER TABLE ONLY public.link_change ALTER COLUMN link_change_id SET DEFAULT nextval('public.link_change_link_change_id_seq'::regclass);
ALTER TABLE ONLY public.passed_over ALTER COLUMN passed_over_id SET DEFAULT nextval('public.passed_over_passed_over_id_seq'::regclass);
ALTER TABLE ONLY public.performed_step ALTER COLUMN step_id SET DEFAULT nextval('public.performed_step_step_id_seq'::regclass);
ALTER TABLE ONLY public.scheduled_step ALTER COLUMN scheduled_step_id SET DEFAULT nextval('public.scheduled_step_scheduled_step_id_seq'::regclass);
ALTER TABLE ONLY public.token ALTER COLUMN token_id SET DEFAULT nextval('public.token_token_id_seq'::regclass);
ALTER TABLE ONLY public.verdict ALTER COLUMN verdict_id SET DEFAULT nextval('public.verdict_verdict_id_seq'::regclass);
ALTER TABLE ONLY public.work ALTER COLUMN work_id SET DEFAULT nextval('public.work_work_id_seq'::regclass);
INSERT INTO public.account VALUES (1, 'doctor', 'doctor', 'BS. Trần Thị Mai', 'doctor', '', '$argon2id$v=19$m=8,t=1,p=1$V0tkoeLad97nUGskQBykWw$Csa+qHCfXsX8uh8WCQr3PUsesHTqgP842cySG7ujvc8', false, true, '2025-06-01 08:15:00+00', NULL);
INSERT INTO public.account VALUES (2, 'technician', 'technician', 'KTV. Lê Văn Bình', 'technician', '', '$argon2id$v=19$m=8,t=1,p=1$v7bxC8fWcjn5XfxUQA7+iA$BqfymBziFzlvserNYMkbUdboHD56tp2bebHdY9F9tOw', false, true, '2025-06-01 08:15:00+00', NULL);
INSERT INTO public.account VALUES (3, 'admin', 'admin', 'Quản trị', 'admin', '', '$argon2id$v=19$m=8,t=1,p=1$k3PCT2RTzBNLle7DdQu/qw$+rO9xHqUN3fwMrKzQyK+GY6enf3Fzv8hNXOONbgIWnA', false, true, '2025-06-01 08:15:00+00', NULL);
INSERT INTO public.answer VALUES (1, 1, 1, '1.2.9.0', 'text', '', 'Không tràn khí.', 'cut', 'BS. Lê Thu', true, true, '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00', NULL);
INSERT INTO public.arrival VALUES (1, '1.2.826.0.1.3680043.8.498.99330041873220449231573113696959097903', '1.2.840.10008.5.1.4.1.1.1.1', '1.2.3.1', '1.2.826.0.1.3680043.8.498.82140094585371112679681752245077094578', '1.2.840.10008.1.2.1', '50b02d40e1b60262f7e4f37075aa8b2f', '23426ee8b79fa0fe0dd5d29ead594b1152041d1eefe0d2d89ab61527879e106a', 7524, '2026-11-29 01:00:00+00', 'DX1', '127.0.0.1', false);
INSERT INTO public.arrival VALUES (2, '1.2.826.0.1.3680043.8.498.30423752482000282591452016746046487981', '1.2.840.10008.5.1.4.1.1.1.1', '1.2.3.2', '1.2.826.0.1.3680043.8.498.1122800037817836107071038130078552553', '1.2.840.10008.1.2.1', '0aa3131faa712d98ec03617ee7a9e904', '7b27d472ef062395907781104c5341e9f5ed9583a89335affe729e72fd5ffea5', 7524, '2026-11-29 01:00:00+00', 'DX1', '127.0.0.1', false);
INSERT INTO public.arrival VALUES (3, '1.2.826.0.1.3680043.8.498.15437746187885855413389778944248910267', '1.2.840.10008.5.1.4.1.1.1.1', '1.2.3.3', '1.2.826.0.1.3680043.8.498.78483342412205763062711576769827181098', '1.2.840.10008.1.2.1', 'f6e17b8b3182ebf4120229a344204919', '236a0fbb5b6965a4a5d66af60628c90c1c2789abffac27dee32e4e0a6d6476c9', 7528, '2026-11-29 01:00:00+00', 'DX1', '127.0.0.1', false);
INSERT INTO public."case" VALUES (1, '0b7a783483d0', '1.2.3.1', 'A0001', 'P1', 'Nguyễn Văn An', 'F', '1970-01-31', 55, 'nguyen van an p1 a0001', '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00', 'urgent', 0, '2025-06-01 08:15:00+00');
INSERT INTO public."case" VALUES (2, '99be247c1994', '1.2.3.2', 'A0001', 'P1', 'Nguyễn Văn An', 'F', '1970-01-31', 55, 'nguyen van an p1 a0001', '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00', 'urgent', 0, '2025-06-01 08:15:00+00');
INSERT INTO public."case" VALUES (3, '0ba695c3a85b', '1.2.3.3', 'A0001', 'P0001', 'Nguyễn Văn An', 'F', '1970-01-31', 55, 'nguyen van an p0001 a0001', '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00', 'not_read', -2, '2025-06-01 08:15:00+00');
INSERT INTO public.consultation VALUES (1, 1, 'answered', 'Có tràn khí không?', 'urgent', 'BS. Mai', '2026-11-29 01:00:00+00', '2.25.236018991972112744228253829326453566754', '2026-11-29 01:00:00+00', NULL, 0, NULL, '2026-11-29 01:00:00+00', 0, false, NULL, '', NULL);
INSERT INTO public.consultation VALUES (2, 2, 'requested', 'Có tràn khí không?', 'urgent', 'BS. Mai', '2026-11-29 01:00:00+00', '2.25.277811399121846157047539157142521236958', NULL, NULL, 0, NULL, '2026-11-29 01:00:00+00', 0, false, NULL, '', NULL);
INSERT INTO public.delivery VALUES (4, 'pacs', '2.25.84513507121233213459280309304279352362', '1.2.840.10008.5.1.4.1.1.11.1', '1.2.3.1', '2.25.231752878919510469884175343770399294477', '1.2.840.10008.1.2.1', '23db5b534cd819e8846f43cdeb2f7812', '5019dc8f4e39f279aa7bcec8bb5b9b4f6adfb8c92370035c47fc5d93f56cb514', 2648, 'gsps', 'deliver/pacs/light', '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00', NULL, '0x0000', 'pacs', 1);
INSERT INTO public.delivery VALUES (5, 'pacs', '2.25.236018991972112744228253829326453566754', '1.2.840.10008.5.1.4.1.1.88.59', '1.2.3.1', '2.25.98038479838913730426958020791201360428', '1.2.840.10008.1.2.1', '41f8bcba40b2fba3845d15de9af0d184', 'e2ad672cc82dde7ee1a4e10b117869548342b6637eba24d0fca87be218000991', 3118, 'request', 'deliver/pacs/light', '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00', NULL, '0x0000', 'pacs', 1);
INSERT INTO public.delivery VALUES (2, 'pacs', '2.25.311880366057308964909590536583288342684', '1.2.840.10008.5.1.4.1.1.88.33', '1.2.3.1', '2.25.303237601957726427282918642666156125372', '1.2.840.10008.1.2.1', 'fd6b6c6c9289c9bc9f72b2cf9b2b5716', '42f8e7c1218e554b64cb26e14e089e4862a3676411329f8ece6ef17dfec58109', 12176, 'sr', 'deliver/pacs/light', '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00', NULL, '0x0000', 'pacs', 1);
INSERT INTO public.delivery VALUES (3, 'pacs', '2.25.247282604664857890077089310602768487289', '1.2.840.10008.5.1.4.1.1.7', '1.2.3.1', '2.25.250300600983239876021611202547424020878', '1.2.840.10008.1.2.4.50', '75dea091aeff2c67b6612117dd299c60', 'a46d5c4cfd993a5120953d5a47f16813af601d56705497de64a9c01a0e698990', 86566, 'sc', 'deliver/pacs/light', '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00', NULL, '0x0000', 'pacs', 1);
INSERT INTO public.delivery VALUES (1, 'pacs', '1.2.826.0.1.3680043.8.498.99330041873220449231573113696959097903', '1.2.840.10008.5.1.4.1.1.1.1', '1.2.3.1', '1.2.826.0.1.3680043.8.498.82140094585371112679681752245077094578', '1.2.840.10008.1.2.1', '50b02d40e1b60262f7e4f37075aa8b2f', '23426ee8b79fa0fe0dd5d29ead594b1152041d1eefe0d2d89ab61527879e106a', 7524, 'original', 'deliver/pacs/bulk', '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00', NULL, '0x0000', 'pacs', 1);
INSERT INTO public.delivery VALUES (6, 'pacs', '1.2.826.0.1.3680043.8.498.30423752482000282591452016746046487981', '1.2.840.10008.5.1.4.1.1.1.1', '1.2.3.2', '1.2.826.0.1.3680043.8.498.1122800037817836107071038130078552553', '1.2.840.10008.1.2.1', '0aa3131faa712d98ec03617ee7a9e904', '7b27d472ef062395907781104c5341e9f5ed9583a89335affe729e72fd5ffea5', 7524, 'original', 'deliver/pacs/bulk', '2026-11-29 01:00:00+00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (7, 'pacs', '2.25.181382751607920493331202264931268030917', '1.2.840.10008.5.1.4.1.1.88.33', '1.2.3.2', '2.25.311692228964699077217729533450324853905', '1.2.840.10008.1.2.1', 'ed0eb79f4b3ce837c10131ba48bcf677', 'd146312e980a3c62f3bc9ff5b564d26d92ba48dc082fc8dd9988c118ab4c401c', 12176, 'sr', 'deliver/pacs/light', '2026-11-29 01:00:00+00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (8, 'pacs', '2.25.286992665481960649522835718108050870879', '1.2.840.10008.5.1.4.1.1.7', '1.2.3.2', '2.25.151037717346690308656323109442664789880', '1.2.840.10008.1.2.4.50', 'fef622521a6907d5c959556ce488fefe', 'bc4dc96e53b8f4af10a9413b0bf55570c8c0088f605cbcaa058129248bc8d176', 86566, 'sc', 'deliver/pacs/light', '2026-11-29 01:00:00+00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (9, 'pacs', '2.25.79269353528483315095940801525306232790', '1.2.840.10008.5.1.4.1.1.11.1', '1.2.3.2', '2.25.264531823523783099076839131686775357241', '1.2.840.10008.1.2.1', '0f40c9b9fa6e63253134619c64ea9c63', '87be60ec48598a46d84f710d13f75a579bb909d7316b31348905a858bb0837a0', 2648, 'gsps', 'deliver/pacs/light', '2026-11-29 01:00:00+00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (10, 'pacs', '2.25.277811399121846157047539157142521236958', '1.2.840.10008.5.1.4.1.1.88.59', '1.2.3.2', '2.25.314173942787511182166659971161590362900', '1.2.840.10008.1.2.1', '69b7552a04c251ff2fc0469621c0c300', '05a8e333a27cf5561b525b8d18597e0177103108b6c4133038f9c468ac200697', 3118, 'request', 'deliver/pacs/light', '2026-11-29 01:00:00+00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (11, 'pacs', '1.2.826.0.1.3680043.8.498.15437746187885855413389778944248910267', '1.2.840.10008.5.1.4.1.1.1.1', '1.2.3.3', '1.2.826.0.1.3680043.8.498.78483342412205763062711576769827181098', '1.2.840.10008.1.2.1', 'f6e17b8b3182ebf4120229a344204919', '236a0fbb5b6965a4a5d66af60628c90c1c2789abffac27dee32e4e0a6d6476c9', 7528, 'original', 'deliver/pacs/bulk', '2026-11-29 01:00:00+00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (12, 'pacs', '2.25.225949986005154027494022292138111297822', '1.2.840.10008.5.1.4.1.1.88.33', '1.2.3.3', '2.25.299011134581463008796767914365941984543', '1.2.840.10008.1.2.1', '7c8e6a901f4069027e7e538b0de8156f', '92ccf3bbfbcc3df2ff82f27813c0d020fc25dd8cef45437bc3dc82f15765fe10', 4112, 'sr', 'deliver/pacs/light', '2026-11-29 01:00:00+00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.destination VALUES ('pacs', '2026-11-29 01:00:00+00', NULL, true);
INSERT INTO public.film_order VALUES (1, 'cf9e65a1ccf2ad04741a22c5be5b82d015ab39c893d753b49d8285c070c6f5dd', 'TA2611290361', '2.25.69528986744855949188378323120296190019', '079080012345', 'NGUYỄN VĂN ĐỨC', '1980-02-01', 'M', '', '079080012345', '', '', 'chest_pa', 'Ho kéo dài', 'nguyen van duc 079080012345 079080012345 ta2611290361', '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00', 'technician', 'in progress');
INSERT INTO public.image VALUES (1, 1, '1.2.826.0.1.3680043.8.498.99330041873220449231573113696959097903', 1, 'urgent', 0, NULL, '{"reasons": ["pneumothorax"], "findings": [{"name": "pneumothorax", "probability": 0.93, "threshold": 0.5, "box": [10, 20, 30, 40]}, {"name": "cardiomegaly", "probability": 0.12, "threshold": 0.5, "box": null}], "scores": {"abnormal": 0.9, "cardiothoracic_ratio": 0.51}, "flags": [], "model": {"name": "ph\u1ed5i", "version": "1.2", "sha256": "abababababababababababababababababababababababababababababababab"}, "lines": [], "rows": 0, "columns": 0}', '75dea091aeff2c67b6612117dd299c60', '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00', '2025-06-01 08:15:00+00');
INSERT INTO public.image VALUES (2, 2, '1.2.826.0.1.3680043.8.498.30423752482000282591452016746046487981', 2, 'urgent', 0, NULL, '{"reasons": ["pneumothorax"], "findings": [{"name": "pneumothorax", "probability": 0.93, "threshold": 0.5, "box": [10, 20, 30, 40]}, {"name": "cardiomegaly", "probability": 0.12, "threshold": 0.5, "box": null}], "scores": {"abnormal": 0.9, "cardiothoracic_ratio": 0.51}, "flags": [], "model": {"name": "ph\u1ed5i", "version": "1.2", "sha256": "abababababababababababababababababababababababababababababababab"}, "lines": [], "rows": 0, "columns": 0}', 'fef622521a6907d5c959556ce488fefe', '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00', '2025-06-01 08:15:00+00');
INSERT INTO public.image VALUES (3, 3, '1.2.826.0.1.3680043.8.498.15437746187885855413389778944248910267', 3, 'not_read', -2, 'rotated', '{"reasons": [], "findings": [], "scores": {}, "flags": [], "model": null, "lines": [], "rows": 0, "columns": 0}', NULL, '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00', '2025-06-01 08:15:00+00');
INSERT INTO public.link_change VALUES (1, 'pacs', true, '2026-11-29 01:00:00+00', NULL);
INSERT INTO public.performed_step VALUES (1, '1.2.840.1', 'IN PROGRESS', 'DX1', '2026-11-29 01:00:00+00', '2026-11-29 01:00:00+00');
INSERT INTO public.router_version VALUES ('0001');
INSERT INTO public.scheduled_step VALUES (1, 1, 'TA2611290361', '2.25.69528986744855949188378323120296190019');
INSERT INTO public.triage_version VALUES ('0001');
INSERT INTO public.verdict VALUES (1, 1, false, 'rõ', '2026-11-29 01:00:00+00', 'doctor');
INSERT INTO public.work VALUES (1, 'read', '1', 100, 0, 'waiting', NULL, 0, 0, NULL, NULL);
INSERT INTO public.work VALUES (5, 'deliver/pacs/light', '2.25.84513507121233213459280309304279352362', 0, 2648, 'done', NULL, 1, 1, NULL, NULL);
INSERT INTO public.work VALUES (6, 'deliver/pacs/light', '2.25.236018991972112744228253829326453566754', 0, 3118, 'done', NULL, 1, 1, NULL, NULL);
INSERT INTO public.work VALUES (3, 'deliver/pacs/light', '2.25.311880366057308964909590536583288342684', 0, 12176, 'done', NULL, 1, 1, NULL, NULL);
INSERT INTO public.work VALUES (4, 'deliver/pacs/light', '2.25.247282604664857890077089310602768487289', 0, 86566, 'done', NULL, 1, 1, NULL, NULL);
INSERT INTO public.work VALUES (2, 'deliver/pacs/bulk', '1.2.826.0.1.3680043.8.498.99330041873220449231573113696959097903', 0, 7524, 'done', NULL, 1, 1, NULL, NULL);
INSERT INTO public.work VALUES (7, 'read', '2', 100, 0, 'waiting', NULL, 0, 0, NULL, NULL);
INSERT INTO public.work VALUES (9, 'deliver/pacs/light', '2.25.181382751607920493331202264931268030917', 0, 12176, 'waiting', NULL, 0, 0, NULL, NULL);
INSERT INTO public.work VALUES (10, 'deliver/pacs/light', '2.25.286992665481960649522835718108050870879', 0, 86566, 'waiting', NULL, 0, 0, NULL, NULL);
INSERT INTO public.work VALUES (11, 'deliver/pacs/light', '2.25.79269353528483315095940801525306232790', 0, 2648, 'waiting', NULL, 0, 0, NULL, NULL);
INSERT INTO public.work VALUES (12, 'deliver/pacs/light', '2.25.277811399121846157047539157142521236958', 0, 3118, 'waiting', NULL, 0, 0, NULL, NULL);
INSERT INTO public.work VALUES (8, 'deliver/pacs/bulk', '1.2.826.0.1.3680043.8.498.30423752482000282591452016746046487981', 0, 7524, 'waiting', NULL, 0, 0, NULL, NULL);
INSERT INTO public.work VALUES (13, 'read', '3', 100, 0, 'waiting', NULL, 0, 0, NULL, NULL);
INSERT INTO public.work VALUES (14, 'deliver/pacs/bulk', '1.2.826.0.1.3680043.8.498.15437746187885855413389778944248910267', 100, 7528, 'waiting', NULL, 0, 0, NULL, NULL);
INSERT INTO public.work VALUES (15, 'deliver/pacs/light', '2.25.225949986005154027494022292138111297822', 100, 4112, 'waiting', NULL, 0, 0, NULL, NULL);
SELECT pg_catalog.setval('public.account_account_id_seq', 3, true);
SELECT pg_catalog.setval('public.answer_answer_id_seq', 1, true);
SELECT pg_catalog.setval('public.arrival_arrival_id_seq', 3, true);
SELECT pg_catalog.setval('public.audit_entry_id_seq', 1, false);
SELECT pg_catalog.setval('public.case_sequence_seq', 3, true);
SELECT pg_catalog.setval('public.consultation_consultation_id_seq', 2, true);
SELECT pg_catalog.setval('public.delivery_delivery_id_seq', 12, true);
SELECT pg_catalog.setval('public.film_order_order_id_seq', 1, true);
SELECT pg_catalog.setval('public.image_image_id_seq', 3, true);
SELECT pg_catalog.setval('public.link_change_link_change_id_seq', 1, true);
SELECT pg_catalog.setval('public.passed_over_passed_over_id_seq', 1, false);
SELECT pg_catalog.setval('public.performed_step_step_id_seq', 1, true);
SELECT pg_catalog.setval('public.scheduled_step_scheduled_step_id_seq', 1, true);
SELECT pg_catalog.setval('public.token_token_id_seq', 1, false);
SELECT pg_catalog.setval('public.verdict_verdict_id_seq', 1, true);
SELECT pg_catalog.setval('public.work_work_id_seq', 15, true);
ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_name UNIQUE (folded_name);
ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (account_id);
ALTER TABLE ONLY public.answer
    ADD CONSTRAINT answer_pkey PRIMARY KEY (answer_id);
ALTER TABLE ONLY public.answer
    ADD CONSTRAINT answer_sop UNIQUE (sop_instance_uid);
ALTER TABLE ONLY public.arrival
    ADD CONSTRAINT arrival_content UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY public.arrival
    ADD CONSTRAINT arrival_pkey PRIMARY KEY (arrival_id);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (entry_id);
ALTER TABLE ONLY public."case"
    ADD CONSTRAINT case_case_id UNIQUE (case_id);
ALTER TABLE ONLY public."case"
    ADD CONSTRAINT case_pkey PRIMARY KEY (sequence);
ALTER TABLE ONLY public."case"
    ADD CONSTRAINT case_study UNIQUE (study_instance_uid);
ALTER TABLE ONLY public.consultation
    ADD CONSTRAINT consultation_pkey PRIMARY KEY (consultation_id);
ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT delivery_once UNIQUE (destination, sop_instance_uid);
ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (delivery_id);
ALTER TABLE ONLY public.destination
    ADD CONSTRAINT destination_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.drawn_prefix
    ADD CONSTRAINT drawn_prefix_pkey PRIMARY KEY ("only");
ALTER TABLE ONLY public.film_order
    ADD CONSTRAINT film_order_accession UNIQUE (accession_number);
ALTER TABLE ONLY public.film_order
    ADD CONSTRAINT film_order_form UNIQUE (form_key);
ALTER TABLE ONLY public.film_order
    ADD CONSTRAINT film_order_pkey PRIMARY KEY (order_id);
ALTER TABLE ONLY public.film_order
    ADD CONSTRAINT film_order_study UNIQUE (study_instance_uid);
ALTER TABLE ONLY public.heat
    ADD CONSTRAINT heat_pkey PRIMARY KEY (sop_instance_uid);
ALTER TABLE ONLY public.image
    ADD CONSTRAINT image_pkey PRIMARY KEY (image_id);
ALTER TABLE ONLY public.image
    ADD CONSTRAINT image_sop UNIQUE (sop_instance_uid);
ALTER TABLE ONLY public.link_change
    ADD CONSTRAINT link_change_pkey PRIMARY KEY (link_change_id);
ALTER TABLE ONLY public.passed_over
    ADD CONSTRAINT passed_over_pkey PRIMARY KEY (passed_over_id);
ALTER TABLE ONLY public.passed_over
    ADD CONSTRAINT passed_over_sop UNIQUE (sop_instance_uid);
ALTER TABLE ONLY public.performed_step
    ADD CONSTRAINT performed_step_pkey PRIMARY KEY (step_id);
ALTER TABLE ONLY public.performed_step
    ADD CONSTRAINT performed_step_sop UNIQUE (sop_instance_uid);
ALTER TABLE ONLY public.router_version
    ADD CONSTRAINT router_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.scheduled_step
    ADD CONSTRAINT scheduled_step_pkey PRIMARY KEY (scheduled_step_id);
ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (session_hash);
ALTER TABLE ONLY public.sign_in_attempt
    ADD CONSTRAINT sign_in_attempt_pkey PRIMARY KEY (source);
ALTER TABLE ONLY public.token
    ADD CONSTRAINT token_hash_once UNIQUE (token_hash);
ALTER TABLE ONLY public.token
    ADD CONSTRAINT token_pkey PRIMARY KEY (token_id);
ALTER TABLE ONLY public.triage_version
    ADD CONSTRAINT triage_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.verdict
    ADD CONSTRAINT verdict_pkey PRIMARY KEY (verdict_id);
ALTER TABLE ONLY public.work
    ADD CONSTRAINT work_kind_key UNIQUE (kind, key);
ALTER TABLE ONLY public.work
    ADD CONSTRAINT work_pkey PRIMARY KEY (work_id);
CREATE INDEX answer_case ON public.answer USING btree (case_sequence);
CREATE UNIQUE INDEX arrival_accepted ON public.arrival USING btree (sop_instance_uid) WHERE (NOT quarantined);
CREATE INDEX arrival_quarantined ON public.arrival USING btree (arrival_id) WHERE quarantined;
CREATE INDEX arrival_study ON public.arrival USING btree (study_instance_uid);
CREATE INDEX audit_actor ON public.audit USING btree (actor, entry_id);
CREATE INDEX audit_subject ON public.audit USING btree (subject, entry_id);
CREATE INDEX case_accession ON public."case" USING hash (accession_number);
CREATE INDEX case_patient ON public."case" USING hash (patient_id);
CREATE INDEX case_search ON public."case" USING btree (urgency, sequence, search_text);
CREATE INDEX case_since ON public."case" USING btree (received_at, urgency, sequence);
CREATE INDEX case_worklist ON public."case" USING btree (urgency, sequence);
CREATE INDEX consultation_case ON public.consultation USING btree (case_sequence);
CREATE INDEX consultation_due ON public.consultation USING btree (next_poll_at);
CREATE UNIQUE INDEX consultation_open ON public.consultation USING btree (case_sequence) WHERE (state = 'requested'::text);
CREATE INDEX consultation_unread ON public.consultation USING btree (case_sequence) WHERE ((state = 'answered'::text) AND (seen_at IS NULL));
CREATE INDEX delivery_open ON public.delivery USING btree (delivery_id) WHERE (acknowledged_at IS NULL);
CREATE INDEX delivery_study ON public.delivery USING btree (study_instance_uid, what, acknowledged_at);
CREATE INDEX delivery_waited ON public.delivery USING btree (acknowledged_at, queued_at);
CREATE INDEX film_order_scheduled ON public.film_order USING btree (scheduled_at);
CREATE INDEX image_case ON public.image USING btree (case_sequence);
CREATE INDEX image_not_read ON public.image USING btree (reason) WHERE (reason IS NOT NULL);
CREATE INDEX image_times ON public.image USING btree (received_at, urgency, exposed_at, read_at);
CREATE INDEX link_change_at ON public.link_change USING btree (at);
CREATE INDEX passed_over_case ON public.passed_over USING btree (case_sequence);
CREATE INDEX scheduled_step_accession_number ON public.scheduled_step USING hash (accession_number);
CREATE INDEX scheduled_step_performed ON public.scheduled_step USING btree (step_id);
CREATE INDEX scheduled_step_study_instance_uid ON public.scheduled_step USING hash (study_instance_uid);
CREATE INDEX session_account ON public.session USING btree (account_id);
CREATE INDEX token_account ON public.token USING btree (account_id);
CREATE INDEX verdict_case ON public.verdict USING btree (case_sequence);
CREATE INDEX work_ready ON public.work USING btree (kind, rank, size, work_id) WHERE ((state = 'waiting'::text) AND (due_at IS NULL));
CREATE INDEX work_refused ON public.work USING btree (kind, key) WHERE (state = 'refused'::text);
CREATE INDEX work_timed ON public.work USING btree (kind, state, due_at) WHERE (due_at IS NOT NULL);
ALTER TABLE ONLY public.answer
    ADD CONSTRAINT answer_case_sequence_fkey FOREIGN KEY (case_sequence) REFERENCES public."case"(sequence);
ALTER TABLE ONLY public.answer
    ADD CONSTRAINT answer_consultation_id_fkey FOREIGN KEY (consultation_id) REFERENCES public.consultation(consultation_id);
ALTER TABLE ONLY public.consultation
    ADD CONSTRAINT consultation_case_sequence_fkey FOREIGN KEY (case_sequence) REFERENCES public."case"(sequence);
ALTER TABLE ONLY public.image
    ADD CONSTRAINT image_case_sequence_fkey FOREIGN KEY (case_sequence) REFERENCES public."case"(sequence);
ALTER TABLE ONLY public.passed_over
    ADD CONSTRAINT passed_over_case_sequence_fkey FOREIGN KEY (case_sequence) REFERENCES public."case"(sequence);
ALTER TABLE ONLY public.scheduled_step
    ADD CONSTRAINT scheduled_step_step_id_fkey FOREIGN KEY (step_id) REFERENCES public.performed_step(step_id);
ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(account_id);
ALTER TABLE ONLY public.token
    ADD CONSTRAINT token_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(account_id);
ALTER TABLE ONLY public.verdict
    ADD CONSTRAINT verdict_case_sequence_fkey FOREIGN KEY (case_sequence) REFERENCES public."case"(sequence);
