/* fault_gate: what the three wrapped ports of fault.h share. */
#ifndef BALER_TESTS_KIT_FAULT_GATE_H
#define BALER_TESTS_KIT_FAULT_GATE_H

#include "fault.h"

/* What a call does, once decided. */
struct fault_gate {
	size_t n_apply; /* how many entries of a batch (or 1) go to the inner port */
	bool apply;     /* whether it is called at all */
	bool later;     /* keep a copy for fault_land */
	enum rc answer; /* RC_OK: the inner port's own answer */
	enum fault_action action;
};

/* n: entries of a batch; 1 for a single write; writes: whether the call changes anything. */
struct fault_gate fault_enter(struct fault *f, const char *verb, size_t n, bool writes);
/* The same for a call about one object or stage. */
struct fault_gate fault_enter_on(struct fault *f, const char *verb, struct slice bucket,
	struct slice key, bool writes);
/* The call's code, after the inner port gave rc. */
enum rc fault_leave(const struct fault_gate *g, enum rc rc, struct err *err);

/* A write kept for later: its arguments live in arena. */
struct fault_late {
	struct arena arena;
	void (*land)(struct fault_late *late);
	void *inner; /* the port */
	void *args;
	struct fault_late *next;
};

/* A new one at the end of the list; args has n bytes, zeroed. */
struct fault_late *fault_keep(
	struct fault *f, void (*land)(struct fault_late *late), void *inner, size_t n);

struct slice fault_copy(struct fault_late *late, struct slice s);
struct object_id fault_copy_id(struct fault_late *late, const struct object_id *id);

#endif
