# Add a file as a line of its own, sorted.
dist_doc_DATA =
dist_doc_DATA += docs/algorithms.md
dist_doc_DATA += docs/annotate.md
dist_doc_DATA += docs/architecture.md
dist_doc_DATA += docs/bias.md
dist_doc_DATA += docs/lua.md
dist_doc_DATA += docs/metrics.md
dist_doc_DATA += docs/parity.md
dist_doc_DATA += docs/performance.md
dist_doc_DATA += docs/plugins.md
dist_doc_DATA += docs/policy_gradient.svg
dist_doc_DATA += docs/quality.md
dist_doc_DATA += docs/reliability.md
dist_doc_DATA += docs/rounds-study.svg
dist_doc_DATA += docs/rounds.md
dist_doc_DATA += docs/store.md
