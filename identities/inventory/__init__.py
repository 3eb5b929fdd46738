"""What connected systems list of themselves, as dated evidence: who is there, with which
credentials, allowed what. `systems` names them, `reading` drives them, `storing` keeps what
they show, `following` hands on what others go by, `shown` says it on pages."""
