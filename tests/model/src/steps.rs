//! What can happen next.

use crate::{Entry, Fault, G, Job, LATE, Omission, P, READ_BACK, Redirector, Rules, State, V};

/// One thing that happens, at redirector 0 or 1, or (2) elsewhere.
pub(crate) type Step = (&'static str, usize);

impl State {
    /// Everything that can happen next.
    pub(crate) fn steps(&self, rules: Rules, steps: &mut Vec<(Step, Self)>) {
        for r in 0..2 {
            self.work(r, rules, &mut |what, next| steps.push(((what, r), next)));
            self.fail(r, rules, &mut |what, next| steps.push(((what, r), next)));
        }
        for (i, _) in self
            .underway
            .iter()
            .enumerate()
            .filter(|(_, left)| left.is_some())
        {
            let late = self.with(|s| {
                s.underway[i] = None;
                s.carry_out();
            });
            steps.push((("the update is carried out late", 2), late));
        }
        steps.extend(self.tick().map(|next| (("a tick", 2), next)));
    }

    /// What redirector `r` can do by itself.
    pub(crate) fn work(&self, r: usize, rules: Rules, step: &mut dyn FnMut(&'static str, Self)) {
        let me = &self.redirectors[r];
        if me.unread[0].is_some() {
            step("reads on", self.with(|s| s.redirectors[r].read(rules)));
        }
        match me.job {
            Job::Idle if self.copies > 0 => step(
                "takes a copy",
                self.with(|s| {
                    s.copies -= 1;
                    s.redirectors[r].job = Job::Decide;
                }),
            ),
            Job::Idle => {}
            Job::Dead => step("starts anew", self.with(|s| s.start_anew(r, rules))),
            // (3) No doubt and a young event: the event is the proof. Else Twilio is asked.
            Job::Decide if me.doubt.is_none() && self.event_is_proof(rules) => {
                step("has the event as proof", self.append(r, true, true));
            }
            Job::Decide if !rules.hold(Omission::ProofFirst) => {
                step("appends before it asks", self.append(r, false, true));
            }
            Job::Decide if self.moved => step("asks, and hears: gone", self.job(r, Job::Idle)),
            Job::Decide => {
                let sure = me.is_quiet(rules);
                step("asks", self.job(r, Job::Asking { sure }));
            }
            Job::Asking { sure } => {
                if self.moved {
                    step("hears: gone", self.job(r, Job::Idle));
                }
                // Asked while the caller waited, whatever happened since.
                let sure = if rules.hold(Omission::LookByAsking) {
                    sure
                } else {
                    me.is_quiet(rules)
                };
                if sure || !rules.hold(Omission::LookAfterW) {
                    step("hears: waiting", self.append(r, false, true));
                } else {
                    step("hears: waiting, and doubts it", self.job(r, Job::Decide));
                }
            }
            Job::Appending { logged, .. } => {
                if !logged && self.redirectors.iter().all(Redirector::can_take) {
                    step("has its intent logged", self.with(|s| s.log(r)));
                }
                if (logged && !rules.hold(Omission::ReadBackOwn)) || me.own_seen {
                    // Never read back: what comes of the entry is nothing to this attempt.
                    let sent = self.with(|s| {
                        if !logged {
                            s.log(r)
                        }
                    });
                    step(
                        "goes on unread",
                        sent.with(|s| s.redirectors[r].go_on_unread(rules)),
                    );
                }
            }
            Job::Ready {
                event,
                sure,
                age,
                read,
            } => {
                // (5) Right before sending.
                let age = if rules.hold(Omission::AgeFromSubmission) {
                    age
                } else {
                    read
                };
                let good = (age <= G || !rules.hold(Omission::IntentAges))
                    && (sure || !rules.hold(Omission::CheckBeforeSend))
                    && (!event || self.event_is_proof(rules));
                if !rules.hold(Omission::ProofFirst) && !event {
                    match (self.moved, good && me.is_quiet(rules)) {
                        (true, _) => step("hears: gone", self.job(r, Job::Idle)),
                        (false, true) => {
                            step("hears: waiting, and sends", self.sent(r, read, rules))
                        }
                        (false, false) => {
                            step("hears: waiting, and doubts it", self.job(r, Job::Decide))
                        }
                    }
                } else if good {
                    self.send(r, read, rules, step);
                    if let Some(next) = self.suffer(Fault::Pause) {
                        step("stands still", next.job(r, Job::Paused { left: P, read }));
                    }
                } else {
                    step("doesn't send", self.job(r, Job::Decide));
                }
            }
            Job::Paused { read, .. } => self.send(r, read, rules, step),
        }
    }

    fn send(&self, r: usize, read: u8, rules: Rules, step: &mut dyn FnMut(&'static str, Self)) {
        step("updates the call: 200", self.sent(r, read, rules));
        if let Some(next) = self.suffer(Fault::NoAnswer) {
            step(
                "updates the call: no answer",
                next.with(|s| {
                    s.set_out();
                    s.redirectors[r].job = Job::Decide;
                    if rules.hold(Omission::OwnUnanswered) {
                        s.redirectors[r].doubts_itself(read);
                    }
                }),
            );
        }
        if let Some(next) = self.suffer(Fault::Kill) {
            step(
                "updates the call and is killed",
                next.with(|s| {
                    s.set_out();
                    s.kill(r);
                }),
            );
        }
    }

    /// The faults that can befall redirector `r` besides those of sending.
    fn fail(&self, r: usize, rules: Rules, step: &mut dyn FnMut(&'static str, Self)) {
        let me = &self.redirectors[r];
        if me.job == Job::Dead {
            return;
        }
        if let Some(next) = self.suffer(Fault::Kill) {
            step("is killed", next.with(|s| s.kill(r)));
        }
        if let (Job::Appending { .. }, Some(next)) = (me.job, self.suffer(Fault::ConfirmLost)) {
            step(
                "has no confirm",
                next.with(|s| s.redirectors[r].forget_append()),
            );
        }
        if let (Some(_), Some(next)) = (me.unread[0], self.suffer(Fault::Gap)) {
            step(
                "misses entries",
                next.with(|s| s.redirectors[r].miss(rules)),
            );
        }
    }

    /// The state after a fault of the kind, if there is one left.
    fn suffer(&self, fault: Fault) -> Option<Self> {
        let left = self.faults & !(fault as u8);
        (left != self.faults).then(|| self.with(|s| s.faults = left))
    }

    fn job(&self, r: usize, job: Job) -> Self {
        self.with(|s| s.redirectors[r].job = job)
    }

    /// (4) With a proof in hand.
    fn append(&self, r: usize, event: bool, sure: bool) -> Self {
        self.job(
            r,
            Job::Appending {
                event,
                sure,
                logged: false,
                age: 0,
            },
        )
    }

    fn log(&mut self, r: usize) {
        for (i, reader) in self.redirectors.iter_mut().enumerate() {
            reader.log(if i == r { Entry::Own } else { Entry::Doubt });
        }
        self.redirectors[r].appended = 0;
        if let Job::Appending { logged, .. } = &mut self.redirectors[r].job {
            *logged = true;
        }
    }

    fn sent(&self, r: usize, read: u8, rules: Rules) -> Self {
        self.with(|s| {
            s.carry_out();
            s.redirectors[r].job = Job::Idle;
            if rules.hold(Omission::OwnSuccess) {
                s.redirectors[r].doubts_itself(read);
            }
        })
    }

    fn carry_out(&mut self) {
        self.twice |= self.moved;
        self.moved = true;
    }

    fn set_out(&mut self) {
        let place = self.underway.iter_mut().find(|left| left.is_none());
        *place.expect("at most two faults leave an update under way") = Some(LATE);
        self.underway.sort_unstable();
    }

    /// The copy that it had goes back to the queue.
    fn kill(&mut self, r: usize) {
        self.copies += u8::from(self.redirectors[r].job != Job::Idle);
        let appended = self.redirectors[r].appended;
        self.redirectors[r] = Redirector {
            job: Job::Dead,
            appended,
            ..Redirector::NEW
        };
    }

    fn start_anew(&mut self, r: usize, rules: Rules) {
        self.redirectors[r].job = Job::Idle;
        let is_read = |author: usize| {
            // (1) Also what its old life wrote is somebody else's.
            let foreign = author != r || rules.hold(Omission::NewIncarnation);
            self.redirectors[author].appended <= READ_BACK && foreign
        };
        if rules.hold(Omission::ReadBackAtStart) && (is_read(0) || is_read(1)) {
            self.redirectors[r].log(Entry::Doubt);
        }
    }

    /// Time passes, unless something can't wait.
    pub(crate) fn tick(&self) -> Option<Self> {
        let mut next = *self;
        next.event_age = V.min(self.event_age + 1);
        for update in &mut next.underway {
            // After its time, it has come to nothing.
            *update = update.and_then(|left| left.checked_sub(1));
        }
        next.underway.sort_unstable();
        for redirector in &mut next.redirectors {
            let older = |age: u8, most: u8| most.min(age + 1);
            redirector.doubt = redirector.doubt.map(|age| older(age, LATE + G + P + 1));
            redirector.appended = older(redirector.appended, READ_BACK + 1);
            match &mut redirector.job {
                Job::Appending { age, .. } => *age = older(*age, G + 1),
                Job::Ready { age, read, .. } => {
                    *age = older(*age, G + 1);
                    *read = older(*read, G + 1);
                }
                Job::Paused { left, read } => {
                    *left = left.checked_sub(1)?;
                    *read += 1;
                }
                _ => {}
            }
        }
        Some(next)
    }
}
