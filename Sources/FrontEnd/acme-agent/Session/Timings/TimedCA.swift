import ACMEClient

/// Times the requests to the CA.
struct TimedTransport: HTTPTransport {
    let base: any HTTPTransport
    let timings: Timings

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        try await timings.measure(.ca, "\(request.method.rawValue) \(request.url.path)") { try await base.send(request) }
    }
}

/// Times the pauses.
struct TimedTime: Timekeeping {
    let base: any Timekeeping
    let timings: Timings

    func unixTime() -> Int64 { base.unixTime() }
    func uptime() -> Duration { base.uptime() }
    func sleep(for duration: Duration) async throws { try await timings.measure(.pause, "pause") { try await base.sleep(for: duration) } }
}
