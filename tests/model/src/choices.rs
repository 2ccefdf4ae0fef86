//! All ways that a turn can go.

/// Answers the questions of one run; the next run gets other answers, until all were given.
#[derive(Default)]
pub(crate) struct Choices {
    answers: Vec<bool>,
    asked: usize,
}

impl Choices {
    /// Whether something happens that needn't: first not.
    pub(crate) fn flip(&mut self) -> bool {
        if self.asked == self.answers.len() {
            self.answers.push(false);
        }
        self.asked += 1;
        self.answers[self.asked - 1]
    }

    /// Whether there is another run.
    pub(crate) fn again(&mut self) -> bool {
        self.asked = 0;
        while self.answers.pop_if(|answer| *answer).is_some() {}
        self.answers
            .last_mut()
            .map(|answer| *answer = true)
            .is_some()
    }
}
