BEGIN TRANSACTION;
CREATE TABLE account (
	account_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name TEXT NOT NULL, 
	folded_name TEXT NOT NULL, 
	full_name TEXT NOT NULL, 
	role TEXT NOT NULL, 
	language TEXT NOT NULL, 
	password_hash TEXT NOT NULL, 
	must_change BOOLEAN NOT NULL, 
	is_active BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, 
	signed_in_at DATETIME, 
	CONSTRAINT account_name UNIQUE (folded_name)
);
INSERT INTO "account" VALUES(1,'doctor','doctor','BS. Trần Thị Mai','doctor','','$argon2id$v=19$m=8,t=1,p=1$x9dHpWvBrO0Y723srjzc/g$TG6BxF1voLgTuRj3FYZaQYf4kNpKtDze5RL1FFwio28',0,1,'2025-06-01 08:15:00.000000',NULL);
INSERT INTO "account" VALUES(2,'technician','technician','KTV. Lê Văn Bình','technician','','$argon2id$v=19$m=8,t=1,p=1$kQYf+SigOhp9p9I90qddgg$XapybSFyMDxbv6NkCz2RyJP3gnziyXqbmBwL67ynAUk',0,1,'2025-06-01 08:15:00.000000',NULL);
INSERT INTO "account" VALUES(3,'admin','admin','Quản trị','admin','','$argon2id$v=19$m=8,t=1,p=1$irxJVMATO5V3GpSaMre4FQ$2fPoPeMbNdfLOWuUYuWHsmL92RD3RddFNKM3LXWFDrQ',0,1,'2025-06-01 08:15:00.000000',NULL);
CREATE TABLE answer (
	answer_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	case_sequence BIGINT NOT NULL, 
	consultation_id BIGINT NOT NULL, 
	sop_instance_uid TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	title TEXT NOT NULL, 
	text TEXT NOT NULL, 
	note TEXT, 
	author TEXT NOT NULL, 
	verified BOOLEAN NOT NULL, 
	complete BOOLEAN NOT NULL, 
	written_at DATETIME, 
	received_at DATETIME NOT NULL, 
	spool_key TEXT, 
	CONSTRAINT answer_sop UNIQUE (sop_instance_uid), 
	FOREIGN KEY(case_sequence) REFERENCES "case" (sequence), 
	FOREIGN KEY(consultation_id) REFERENCES consultation (consultation_id)
);
INSERT INTO "answer" VALUES(1,1,1,'1.2.9.0','text','','Không tràn khí.','cut','BS. Lê Thu',1,1,'2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000',NULL);
CREATE TABLE arrival (
	arrival_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	sop_instance_uid TEXT NOT NULL, 
	sop_class_uid TEXT NOT NULL, 
	study_instance_uid TEXT NOT NULL, 
	series_instance_uid TEXT NOT NULL, 
	transfer_syntax_uid TEXT NOT NULL, 
	spool_key TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	received_at DATETIME NOT NULL, 
	calling_ae_title TEXT NOT NULL, 
	peer_host TEXT NOT NULL, 
	quarantined BOOLEAN NOT NULL, 
	CONSTRAINT arrival_content UNIQUE (sop_instance_uid, sha256)
);
INSERT INTO "arrival" VALUES(1,'1.2.826.0.1.3680043.8.498.83636846491932394001766714699316747363','1.2.840.10008.5.1.4.1.1.1.1','1.2.3.1','1.2.826.0.1.3680043.8.498.24322091951476655744755770388620301363','1.2.840.10008.1.2.1','4ad06ccca66a4b6877a08c70514fc210','1ea08aacdcf6c7615bcd8f84e874db02278861417978b9adeffb26433a5f4e02',7524,'2026-11-29 01:00:00.000000','DX1','127.0.0.1',0);
INSERT INTO "arrival" VALUES(2,'1.2.826.0.1.3680043.8.498.68766204086311061636056473696464587573','1.2.840.10008.5.1.4.1.1.1.1','1.2.3.2','1.2.826.0.1.3680043.8.498.38663347920294972806998320020562867094','1.2.840.10008.1.2.1','a914bbc4cd04aef815857996d07ba3f0','3c14cc37f0f49cf68bea697e03e0c75f12d3835a6fe0a4f01c46dfb0fd010c6e',7524,'2026-11-29 01:00:00.000000','DX1','127.0.0.1',0);
INSERT INTO "arrival" VALUES(3,'1.2.826.0.1.3680043.8.498.7135159964092720382249183040579277954','1.2.840.10008.5.1.4.1.1.1.1','1.2.3.3','1.2.826.0.1.3680043.8.498.48592488254853388631595412710245099786','1.2.840.10008.1.2.1','ebb17e84384deaf126b14df4ecfe4ff7','8378651205f912bb940ea288a7ac0b388861fcda0b5614cedc5be94b435224fd',7528,'2026-11-29 01:00:00.000000','DX1','127.0.0.1',0);
CREATE TABLE audit (
	entry_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at DATETIME NOT NULL, 
	actor TEXT NOT NULL, 
	action TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	address TEXT NOT NULL
);
CREATE TABLE "case" (
	sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	case_id TEXT NOT NULL, 
	study_instance_uid TEXT NOT NULL, 
	accession_number TEXT NOT NULL, 
	patient_id TEXT NOT NULL, 
	patient_name TEXT NOT NULL, 
	patient_sex TEXT NOT NULL, 
	patient_birth_date TEXT NOT NULL, 
	patient_age_years FLOAT, 
	search_text TEXT NOT NULL, 
	received_at DATETIME NOT NULL, 
	read_at DATETIME NOT NULL, 
	priority TEXT NOT NULL, 
	urgency INTEGER NOT NULL, 
	exposed_at DATETIME, 
	CONSTRAINT case_case_id UNIQUE (case_id), 
	CONSTRAINT case_study UNIQUE (study_instance_uid)
);
INSERT INTO "case" VALUES(1,'1e7e51642b64','1.2.3.1','A0001','P1','Nguyễn Văn An','F','1970-01-31',55.0,'nguyen van an p1 a0001','2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000','urgent',0,'2025-06-01 08:15:00.000000');
INSERT INTO "case" VALUES(2,'1a72dd47c830','1.2.3.2','A0001','P1','Nguyễn Văn An','F','1970-01-31',55.0,'nguyen van an p1 a0001','2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000','urgent',0,'2025-06-01 08:15:00.000000');
INSERT INTO "case" VALUES(3,'3c8b2a9ddfb9','1.2.3.3','A0001','P0001','Nguyễn Văn An','F','1970-01-31',55.0,'nguyen van an p0001 a0001','2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000','not_read',-2,'2025-06-01 08:15:00.000000');
CREATE TABLE consultation (
	consultation_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	case_sequence BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	question TEXT NOT NULL, 
	priority TEXT NOT NULL, 
	requested_by TEXT NOT NULL, 
	requested_at DATETIME NOT NULL, 
	request_uid TEXT NOT NULL, 
	answered_at DATETIME, 
	overdue_at DATETIME, 
	announced INTEGER DEFAULT '0' NOT NULL, 
	announced_at DATETIME, 
	next_poll_at DATETIME, 
	polls INTEGER DEFAULT '0' NOT NULL, 
	watched BOOLEAN DEFAULT 0 NOT NULL, 
	obstacle TEXT, 
	obstacle_detail TEXT DEFAULT '' NOT NULL, 
	seen_at DATETIME, 
	FOREIGN KEY(case_sequence) REFERENCES "case" (sequence)
);
INSERT INTO "consultation" VALUES(1,1,'answered','Có tràn khí không?','urgent','BS. Mai','2026-11-29 01:00:00.000000','2.25.56834122933434367592663851475412942985','2026-11-29 01:00:00.000000',NULL,0,NULL,'2026-11-29 01:00:00.000000',0,0,NULL,'',NULL);
INSERT INTO "consultation" VALUES(2,2,'requested','Có tràn khí không?','urgent','BS. Mai','2026-11-29 01:00:00.000000','2.25.84476852392979307463730752235529772353',NULL,NULL,0,NULL,'2026-11-29 01:00:00.000000',0,0,NULL,'',NULL);
CREATE TABLE delivery (
	delivery_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	destination TEXT NOT NULL, 
	sop_instance_uid TEXT NOT NULL, 
	sop_class_uid TEXT NOT NULL, 
	study_instance_uid TEXT NOT NULL, 
	series_instance_uid TEXT NOT NULL, 
	transfer_syntax_uid TEXT NOT NULL, 
	spool_key TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	what TEXT NOT NULL, 
	work_kind TEXT NOT NULL, 
	queued_at DATETIME NOT NULL, 
	acknowledged_at DATETIME, 
	refused_at DATETIME, 
	status TEXT, 
	peer TEXT, 
	sent_bytes BIGINT, 
	CONSTRAINT delivery_once UNIQUE (destination, sop_instance_uid)
);
INSERT INTO "delivery" VALUES(1,'pacs','1.2.826.0.1.3680043.8.498.83636846491932394001766714699316747363','1.2.840.10008.5.1.4.1.1.1.1','1.2.3.1','1.2.826.0.1.3680043.8.498.24322091951476655744755770388620301363','1.2.840.10008.1.2.1','4ad06ccca66a4b6877a08c70514fc210','1ea08aacdcf6c7615bcd8f84e874db02278861417978b9adeffb26433a5f4e02',7524,'original','deliver/pacs/bulk','2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000',NULL,'0x0000','pacs',1);
INSERT INTO "delivery" VALUES(2,'pacs','2.25.150244692907614822984542787455720325411','1.2.840.10008.5.1.4.1.1.88.33','1.2.3.1','2.25.251441384553480414887775525248129045690','1.2.840.10008.1.2.1','c75ebaea938f00e54453a6c33c058e53','4910da5d6f82391e3b15958647ddc8a815e7332dc9a76d7b6dd638dee805ef9f',12176,'sr','deliver/pacs/light','2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000',NULL,'0x0000','pacs',1);
INSERT INTO "delivery" VALUES(3,'pacs','2.25.238393375568017101551706236510849621295','1.2.840.10008.5.1.4.1.1.7','1.2.3.1','2.25.91415077632716899486598198418352666658','1.2.840.10008.1.2.4.50','3ec50a20eec77343a09013b76ae09f07','8b2f5952a2b74fd9d5d4779adb2b5618e2441dcfb78be9f39640592eee76ee68',86566,'sc','deliver/pacs/light','2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000',NULL,'0x0000','pacs',1);
INSERT INTO "delivery" VALUES(4,'pacs','2.25.55767434493622288049476354032023955065','1.2.840.10008.5.1.4.1.1.11.1','1.2.3.1','2.25.148038154544108372291185119983795672793','1.2.840.10008.1.2.1','b197869a00a132ec092c586d6bfb6497','8521d4b74440367cfefa04f3c91075f9e79a251fbf005c75f6a731bfe289ff0b',2648,'gsps','deliver/pacs/light','2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000',NULL,'0x0000','pacs',1);
INSERT INTO "delivery" VALUES(5,'pacs','2.25.56834122933434367592663851475412942985','1.2.840.10008.5.1.4.1.1.88.59','1.2.3.1','2.25.136805062588244462742430136232059407700','1.2.840.10008.1.2.1','6b011cdb25f512ea364fadbf1846c653','81639d9a7867601910856d2bb126afd959bbf76dc529eef452b4250c7f1af009',3118,'request','deliver/pacs/light','2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000',NULL,'0x0000','pacs',1);
INSERT INTO "delivery" VALUES(6,'pacs','1.2.826.0.1.3680043.8.498.68766204086311061636056473696464587573','1.2.840.10008.5.1.4.1.1.1.1','1.2.3.2','1.2.826.0.1.3680043.8.498.38663347920294972806998320020562867094','1.2.840.10008.1.2.1','a914bbc4cd04aef815857996d07ba3f0','3c14cc37f0f49cf68bea697e03e0c75f12d3835a6fe0a4f01c46dfb0fd010c6e',7524,'original','deliver/pacs/bulk','2026-11-29 01:00:00.000000',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(7,'pacs','2.25.64731930792252171611230322776797903952','1.2.840.10008.5.1.4.1.1.88.33','1.2.3.2','2.25.287042916070254421543571507349206163454','1.2.840.10008.1.2.1','7d179f83188168315407d421124a9fa4','c7035391b754d0d9eb7cff31d5c3204496e058fc778ee201a1cda6be48a17316',12176,'sr','deliver/pacs/light','2026-11-29 01:00:00.000000',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(8,'pacs','2.25.73992610002593191790615166939366231321','1.2.840.10008.5.1.4.1.1.7','1.2.3.2','2.25.74183613584397846183935528923535036600','1.2.840.10008.1.2.4.50','283868daa9cbb5c2fcf5313918b2b41f','7854a322304f29111b95dc4f835c2a8809f017ebf2debe2dca7033bd10e186b4',86566,'sc','deliver/pacs/light','2026-11-29 01:00:00.000000',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(9,'pacs','2.25.338830589369924254472631850031277872332','1.2.840.10008.5.1.4.1.1.11.1','1.2.3.2','2.25.325786548314008811083879903212442409038','1.2.840.10008.1.2.1','d5237869830768b7f5706fbc7fb7113a','db7bb82a24790d95efd93aceeec1f60f8639f530ceb5f3744d14c1bad712e524',2648,'gsps','deliver/pacs/light','2026-11-29 01:00:00.000000',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(10,'pacs','2.25.84476852392979307463730752235529772353','1.2.840.10008.5.1.4.1.1.88.59','1.2.3.2','2.25.251340385900964698947645136576800840871','1.2.840.10008.1.2.1','44f1947c99022a30f60008c18bdf74b5','b6b7c421732106eab3ef87b62332915690c62ccfeb3a008d6e2d825a8355cd2a',3118,'request','deliver/pacs/light','2026-11-29 01:00:00.000000',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(11,'pacs','1.2.826.0.1.3680043.8.498.7135159964092720382249183040579277954','1.2.840.10008.5.1.4.1.1.1.1','1.2.3.3','1.2.826.0.1.3680043.8.498.48592488254853388631595412710245099786','1.2.840.10008.1.2.1','ebb17e84384deaf126b14df4ecfe4ff7','8378651205f912bb940ea288a7ac0b388861fcda0b5614cedc5be94b435224fd',7528,'original','deliver/pacs/bulk','2026-11-29 01:00:00.000000',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(12,'pacs','2.25.54615216382202429397794717553053691584','1.2.840.10008.5.1.4.1.1.88.33','1.2.3.3','2.25.22964998016222901819903628875911650657','1.2.840.10008.1.2.1','8744102e619f5e14d740fa51cbbec468','1a5426b232557bb983450ee4b51f3bf17bc30a7ffb3f5b366a6c614bbfc87684',4112,'sr','deliver/pacs/light','2026-11-29 01:00:00.000000',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE destination (
	name TEXT NOT NULL, 
	last_success_at DATETIME, 
	last_error TEXT, 
	reachable BOOLEAN, 
	PRIMARY KEY (name)
);
INSERT INTO "destination" VALUES('pacs','2026-11-29 01:00:00.000000',NULL,1);
CREATE TABLE drawn_prefix (
	only INTEGER NOT NULL, 
	prefix TEXT NOT NULL, 
	PRIMARY KEY (only)
);
CREATE TABLE film_order (
	order_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	form_key TEXT NOT NULL, 
	accession_number TEXT NOT NULL, 
	study_instance_uid TEXT NOT NULL, 
	patient_id TEXT NOT NULL, 
	patient_name TEXT NOT NULL, 
	patient_birth_date DATE, 
	patient_sex TEXT NOT NULL, 
	address TEXT NOT NULL, 
	citizen_number TEXT NOT NULL, 
	insurance_number TEXT NOT NULL, 
	referring_physician TEXT NOT NULL, 
	procedure TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	search_text TEXT NOT NULL, 
	scheduled_at DATETIME NOT NULL, 
	registered_at DATETIME NOT NULL, 
	registered_by TEXT NOT NULL, 
	state TEXT NOT NULL, 
	CONSTRAINT film_order_form UNIQUE (form_key), 
	CONSTRAINT film_order_accession UNIQUE (accession_number), 
	CONSTRAINT film_order_study UNIQUE (study_instance_uid)
);
INSERT INTO "film_order" VALUES(1,'cf9e65a1ccf2ad04741a22c5be5b82d015ab39c893d753b49d8285c070c6f5dd','TA2611290361','2.25.196595136388301528740407712054370161855','079080012345','NGUYỄN VĂN ĐỨC','1980-02-01','M','','079080012345','','','chest_pa','Ho kéo dài','nguyen van duc 079080012345 079080012345 ta2611290361','2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000','technician','in progress');
CREATE TABLE heat (
	sop_instance_uid TEXT NOT NULL, 
	png BLOB NOT NULL, 
	PRIMARY KEY (sop_instance_uid)
);
CREATE TABLE image (
	image_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	case_sequence BIGINT NOT NULL, 
	sop_instance_uid TEXT NOT NULL, 
	arrival_id BIGINT NOT NULL, 
	priority TEXT NOT NULL, 
	urgency INTEGER NOT NULL, 
	reason TEXT, 
	reading TEXT NOT NULL, 
	picture_key TEXT, 
	received_at DATETIME NOT NULL, 
	read_at DATETIME NOT NULL, 
	exposed_at DATETIME, 
	CONSTRAINT image_sop UNIQUE (sop_instance_uid), 
	FOREIGN KEY(case_sequence) REFERENCES "case" (sequence)
);
INSERT INTO "image" VALUES(1,1,'1.2.826.0.1.3680043.8.498.83636846491932394001766714699316747363',1,'urgent',0,NULL,'{"reasons": ["pneumothorax"], "findings": [{"name": "pneumothorax", "probability": 0.93, "threshold": 0.5, "box": [10, 20, 30, 40]}, {"name": "cardiomegaly", "probability": 0.12, "threshold": 0.5, "box": null}], "scores": {"abnormal": 0.9, "cardiothoracic_ratio": 0.51}, "flags": [], "model": {"name": "ph\u1ed5i", "version": "1.2", "sha256": "abababababababababababababababababababababababababababababababab"}, "lines": [], "rows": 0, "columns": 0}','3ec50a20eec77343a09013b76ae09f07','2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000','2025-06-01 08:15:00.000000');
INSERT INTO "image" VALUES(2,2,'1.2.826.0.1.3680043.8.498.68766204086311061636056473696464587573',2,'urgent',0,NULL,'{"reasons": ["pneumothorax"], "findings": [{"name": "pneumothorax", "probability": 0.93, "threshold": 0.5, "box": [10, 20, 30, 40]}, {"name": "cardiomegaly", "probability": 0.12, "threshold": 0.5, "box": null}], "scores": {"abnormal": 0.9, "cardiothoracic_ratio": 0.51}, "flags": [], "model": {"name": "ph\u1ed5i", "version": "1.2", "sha256": "abababababababababababababababababababababababababababababababab"}, "lines": [], "rows": 0, "columns": 0}','283868daa9cbb5c2fcf5313918b2b41f','2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000','2025-06-01 08:15:00.000000');
INSERT INTO "image" VALUES(3,3,'1.2.826.0.1.3680043.8.498.7135159964092720382249183040579277954',3,'not_read',-2,'rotated','{"reasons": [], "findings": [], "scores": {}, "flags": [], "model": null, "lines": [], "rows": 0, "columns": 0}',NULL,'2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000','2025-06-01 08:15:00.000000');
CREATE TABLE link_change (
	link_change_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	destination TEXT NOT NULL, 
	reachable BOOLEAN NOT NULL, 
	at DATETIME NOT NULL, 
	error TEXT
);
INSERT INTO "link_change" VALUES(1,'pacs',1,'2026-11-29 01:00:00.000000',NULL);
CREATE TABLE passed_over (
	passed_over_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	case_sequence BIGINT NOT NULL, 
	sop_instance_uid TEXT NOT NULL, 
	why TEXT NOT NULL, 
	obstacle TEXT, 
	tries INTEGER DEFAULT '0' NOT NULL, 
	retry_at DATETIME, 
	CONSTRAINT passed_over_sop UNIQUE (sop_instance_uid), 
	FOREIGN KEY(case_sequence) REFERENCES "case" (sequence)
);
CREATE TABLE performed_step (
	step_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	sop_instance_uid TEXT NOT NULL, 
	state TEXT NOT NULL, 
	calling_ae_title TEXT NOT NULL, 
	begun_at DATETIME NOT NULL, 
	changed_at DATETIME NOT NULL, 
	CONSTRAINT performed_step_sop UNIQUE (sop_instance_uid)
);
INSERT INTO "performed_step" VALUES(1,'1.2.840.1','IN PROGRESS','DX1','2026-11-29 01:00:00.000000','2026-11-29 01:00:00.000000');
CREATE TABLE router_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT router_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "router_version" VALUES('0001');
CREATE TABLE scheduled_step (
	scheduled_step_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	step_id BIGINT NOT NULL, 
	accession_number TEXT NOT NULL, 
	study_instance_uid TEXT NOT NULL, 
	FOREIGN KEY(step_id) REFERENCES performed_step (step_id)
);
INSERT INTO "scheduled_step" VALUES(1,1,'TA2611290361','2.25.196595136388301528740407712054370161855');
CREATE TABLE session (
	session_hash TEXT NOT NULL, 
	account_id BIGINT NOT NULL, 
	opened_at DATETIME NOT NULL, 
	seen_at DATETIME NOT NULL, 
	PRIMARY KEY (session_hash), 
	FOREIGN KEY(account_id) REFERENCES account (account_id)
);
CREATE TABLE sign_in_attempt (
	source TEXT NOT NULL, 
	failures INTEGER NOT NULL, 
	last_at DATETIME NOT NULL, 
	PRIMARY KEY (source)
);
CREATE TABLE token (
	token_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	account_id BIGINT NOT NULL, 
	token_hash TEXT NOT NULL, 
	label TEXT NOT NULL, 
	made_at DATETIME NOT NULL, 
	used_at DATETIME, 
	revoked_at DATETIME, 
	CONSTRAINT token_hash_once UNIQUE (token_hash), 
	FOREIGN KEY(account_id) REFERENCES account (account_id)
);
CREATE TABLE triage_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT triage_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "triage_version" VALUES('0001');
CREATE TABLE verdict (
	verdict_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	case_sequence BIGINT NOT NULL, 
	agrees BOOLEAN NOT NULL, 
	note TEXT NOT NULL, 
	given_at DATETIME NOT NULL, 
	given_by TEXT DEFAULT '' NOT NULL, 
	FOREIGN KEY(case_sequence) REFERENCES "case" (sequence)
);
INSERT INTO "verdict" VALUES(1,1,0,'rõ','2026-11-29 01:00:00.000000','doctor');
CREATE TABLE work (
	work_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	rank INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	due_at DATETIME, 
	attempt INTEGER NOT NULL, 
	fence INTEGER NOT NULL, 
	node TEXT, 
	error TEXT, 
	CONSTRAINT work_kind_key UNIQUE (kind, "key"), 
	CONSTRAINT work_state CHECK (state IN ('waiting', 'working', 'done', 'refused'))
);
INSERT INTO "work" VALUES(1,'read','1',100,0,'waiting',NULL,0,0,NULL,NULL);
INSERT INTO "work" VALUES(2,'deliver/pacs/bulk','1.2.826.0.1.3680043.8.498.83636846491932394001766714699316747363',0,7524,'done',NULL,1,1,NULL,NULL);
INSERT INTO "work" VALUES(3,'deliver/pacs/light','2.25.150244692907614822984542787455720325411',0,12176,'done',NULL,1,1,NULL,NULL);
INSERT INTO "work" VALUES(4,'deliver/pacs/light','2.25.238393375568017101551706236510849621295',0,86566,'done',NULL,1,1,NULL,NULL);
INSERT INTO "work" VALUES(5,'deliver/pacs/light','2.25.55767434493622288049476354032023955065',0,2648,'done',NULL,1,1,NULL,NULL);
INSERT INTO "work" VALUES(6,'deliver/pacs/light','2.25.56834122933434367592663851475412942985',0,3118,'done',NULL,1,1,NULL,NULL);
INSERT INTO "work" VALUES(7,'read','2',100,0,'waiting',NULL,0,0,NULL,NULL);
INSERT INTO "work" VALUES(8,'deliver/pacs/bulk','1.2.826.0.1.3680043.8.498.68766204086311061636056473696464587573',0,7524,'waiting',NULL,0,0,NULL,NULL);
INSERT INTO "work" VALUES(9,'deliver/pacs/light','2.25.64731930792252171611230322776797903952',0,12176,'waiting',NULL,0,0,NULL,NULL);
INSERT INTO "work" VALUES(10,'deliver/pacs/light','2.25.73992610002593191790615166939366231321',0,86566,'waiting',NULL,0,0,NULL,NULL);
INSERT INTO "work" VALUES(11,'deliver/pacs/light','2.25.338830589369924254472631850031277872332',0,2648,'waiting',NULL,0,0,NULL,NULL);
INSERT INTO "work" VALUES(12,'deliver/pacs/light','2.25.84476852392979307463730752235529772353',0,3118,'waiting',NULL,0,0,NULL,NULL);
INSERT INTO "work" VALUES(13,'read','3',100,0,'waiting',NULL,0,0,NULL,NULL);
INSERT INTO "work" VALUES(14,'deliver/pacs/bulk','1.2.826.0.1.3680043.8.498.7135159964092720382249183040579277954',100,7528,'waiting',NULL,0,0,NULL,NULL);
INSERT INTO "work" VALUES(15,'deliver/pacs/light','2.25.54615216382202429397794717553053691584',100,4112,'waiting',NULL,0,0,NULL,NULL);
CREATE INDEX work_ready ON work (kind, rank, size, work_id) WHERE state = 'waiting' AND due_at IS NULL;
CREATE INDEX work_timed ON work (kind, state, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX work_refused ON work (kind, "key") WHERE state = 'refused';
CREATE UNIQUE INDEX arrival_accepted ON arrival (sop_instance_uid) WHERE NOT quarantined;
CREATE INDEX arrival_quarantined ON arrival (arrival_id) WHERE quarantined;
CREATE INDEX arrival_study ON arrival (study_instance_uid);
CREATE INDEX delivery_open ON delivery (delivery_id) WHERE acknowledged_at IS NULL;
CREATE INDEX delivery_study ON delivery (study_instance_uid, what, acknowledged_at);
CREATE INDEX delivery_waited ON delivery (acknowledged_at, queued_at);
CREATE INDEX link_change_at ON link_change (at);
CREATE INDEX case_worklist ON "case" (urgency, sequence);
CREATE INDEX case_search ON "case" (urgency, sequence, search_text);
CREATE INDEX case_since ON "case" (received_at, urgency, sequence);
CREATE INDEX case_patient ON "case" (patient_id);
CREATE INDEX case_accession ON "case" (accession_number);
CREATE INDEX image_case ON image (case_sequence);
CREATE INDEX image_not_read ON image (reason) WHERE reason IS NOT NULL;
CREATE INDEX image_times ON image (received_at, urgency, exposed_at, read_at);
CREATE INDEX consultation_case ON consultation (case_sequence);
CREATE INDEX consultation_due ON consultation (next_poll_at);
CREATE UNIQUE INDEX consultation_open ON consultation (case_sequence) WHERE state = 'requested';
CREATE INDEX consultation_unread ON consultation (case_sequence) WHERE state = 'answered' AND seen_at IS NULL;
CREATE INDEX answer_case ON answer (case_sequence);
CREATE INDEX passed_over_case ON passed_over (case_sequence);
CREATE INDEX verdict_case ON verdict (case_sequence);
CREATE INDEX session_account ON session (account_id);
CREATE INDEX token_account ON token (account_id);
CREATE INDEX audit_actor ON audit (actor, entry_id);
CREATE INDEX audit_subject ON audit (subject, entry_id);
CREATE INDEX film_order_scheduled ON film_order (scheduled_at);
CREATE INDEX scheduled_step_performed ON scheduled_step (step_id);
CREATE INDEX scheduled_step_accession_number ON scheduled_step (accession_number);
CREATE INDEX scheduled_step_study_instance_uid ON scheduled_step (study_instance_uid);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('account',3);
INSERT INTO "sqlite_sequence" VALUES('film_order',1);
INSERT INTO "sqlite_sequence" VALUES('performed_step',1);
INSERT INTO "sqlite_sequence" VALUES('scheduled_step',1);
INSERT INTO "sqlite_sequence" VALUES('arrival',3);
INSERT INTO "sqlite_sequence" VALUES('work',15);
INSERT INTO "sqlite_sequence" VALUES('delivery',12);
INSERT INTO "sqlite_sequence" VALUES('case',3);
INSERT INTO "sqlite_sequence" VALUES('image',3);
INSERT INTO "sqlite_sequence" VALUES('consultation',2);
INSERT INTO "sqlite_sequence" VALUES('answer',1);
INSERT INTO "sqlite_sequence" VALUES('verdict',1);
INSERT INTO "sqlite_sequence" VALUES('link_change',1);
COMMIT;
