/// What the agent counts, from its figures in Prometheus's text format, version 0.0.4.
public struct AgentCounts: Sendable, Hashable {
    /// Unix seconds.
    public var started: Int64?
    public var signed: UInt64 = 0
    public var failed: UInt64 = 0
    public var refused: UInt64 = 0
    /// Milliseconds in the daemon, on average.
    public var milliseconds: Double?
    public struct Token: Sendable, Hashable {
        public var logins: UInt64 = 0
        public var waiting: UInt64 = 0
    }
    public var tokens: [String: Token] = [:]

    /// Figures that it does not know, and lines that are none, are skipped.
    public init(text: String) {
        var sum = 0.0, count = 0.0
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let series = Series(line) else { continue }
            let whole = UInt64(exactly: series.value.rounded(.down)) ?? 0
            switch series.name {
            case "acme_agent_start_timestamp_seconds": started = Int64(exactly: series.value.rounded(.down))
            case "acme_agent_signatures_total" where series.labels["outcome"] == "signed": signed &+= whole
            case "acme_agent_signatures_total": failed &+= whole
            case "acme_agent_refusals_total": refused &+= whole
            case "acme_agent_signature_seconds_sum" where series.labels["stage"] == "all": sum = series.value
            case "acme_agent_signature_seconds_count" where series.labels["stage"] == "all": count = series.value
            case "acme_agent_token_logins_total": tokens[series.labels["token"] ?? "", default: Token()].logins = whole
            case "acme_agent_token_waiting_requests": tokens[series.labels["token"] ?? "", default: Token()].waiting = whole
            default: break
            }
        }
        if count > 0 { milliseconds = sum / count * 1_000 }
    }

    /// One line: a name, labels, a value.
    private struct Series {
        let name: Substring
        var labels: [String: String] = [:]
        let value: Double

        init?(_ line: Substring) {
            name = line.prefix { $0 != "{" && $0 != " " }
            var rest = line[name.endIndex...]
            if rest.hasPrefix("{") {
                rest = rest.dropFirst()
                while !rest.hasPrefix("}") {
                    let label = rest.prefix { $0 != "=" }
                    rest = rest[label.endIndex...].dropFirst()
                    guard rest.hasPrefix("\"") else { return nil }
                    rest = rest.dropFirst()
                    var text = ""
                    while let next = rest.first, next != "\"" {
                        rest = rest.dropFirst()
                        guard next == "\\" else {
                            text.append(next)
                            continue
                        }
                        guard let escaped = rest.popFirst() else { return nil }
                        text.append(escaped == "n" ? "\n" : escaped)
                    }
                    guard rest.popFirst() == "\"" else { return nil }
                    labels[String(label)] = text
                    if rest.hasPrefix(",") { rest = rest.dropFirst() }
                }
                rest = rest.dropFirst()
            }
            guard let value = Double(rest.drop { $0 == " " }.prefix { $0 != " " }), value.isFinite else { return nil }
            self.value = value
        }
    }
}
