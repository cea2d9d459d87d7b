// Pages that teach come before tables of figures and lists of names.
const later = /^(benchmarks|architecture|api|changes)$/;
var Scorer = {
  score: ([page, , , , score]) => (later.test(page) ? score / 4 : score),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
