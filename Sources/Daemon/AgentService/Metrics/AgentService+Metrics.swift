import Varlink

extension AgentService {
    /// Answers `ReadMetrics`, which the gate has admitted.
    func readMetrics(reply: VarlinkReplier) {
        let text = metrics.text(of: self)
        reply.succeed { json in json.member("text", text) }
    }
}
