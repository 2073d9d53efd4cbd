import Glibc

/// Shows that the soak can fail: growth, errors, records and chains that must not be, and must be found.
extension SelfTest {
    private func finding(_ isBad: Bool) -> Finding? { isBad ? Finding("found") : nil }

    mutating func growth() {
        func growth(_ count: Int, _ value: (Double) -> Double) -> Growth {
            var growth = Growth(bound: 8)
            for number in 0..<count { growth.add(value(Double(number)), at: Double(number)) }
            return growth
        }
        mustPass("a figure that varies", finding(!growth(60) { 50 + $0.truncatingRemainder(dividingBy: 3) }.isFlat))
        mustPass("a figure that warms up", finding(!growth(60) { min(50, 3 * $0) }.isFlat))
        mustPass("a figure that falls", finding(!growth(60) { 50 - $0 }.isFlat))
        mustFind("a figure that grows", finding(!growth(60) { 50 + $0 / 4 }.isFlat))
        mustFind("too few figures", finding(!growth(4) { _ in 50 }.isFlat))
    }

    mutating func outages() {
        var outages = Outages()
        outages.begin(.token, at: 10)
        outages.end(.token, at: 11)
        outages.begin(.disk, at: 20)
        outages.end(.disk, at: 21)
        outages.begin(.helper, at: 30)
        outages.end(.helper, at: 30)
        func unexplained(_ error: String, _ method: String, _ start: Double, _ end: Double) -> Finding? {
            finding(!outages.explain(Call.interface + error, of: method, from: start, to: end))
        }
        mustPass("an error while the token fails", unexplained("TokenUnavailable", "SignPostAsGet", 10.5, 10.6))
        mustPass("an error of a call that the fault overtook", unexplained("SigningFailed", "SignPostAsGet", 9, 12))
        mustPass("an error while the disk is full", unexplained("AuditUnavailable", "SignPostAsGet", 20.5, 20.6))
        mustPass("a key whose making ended with the helper", unexplained("TokenUnavailable", "CreateKey", 29.9, 30.1))
        mustFind("an error before the fault", unexplained("TokenUnavailable", "SignPostAsGet", 8, 9))
        mustFind("an error long after the fault", unexplained("TokenUnavailable", "SignPostAsGet", 16.5, 17))
        mustFind("a token's error while the disk is full", unexplained("TokenUnavailable", "SignPostAsGet", 20.5, 20.6))
        mustFind("a full disk that was not", unexplained("AuditUnavailable", "SignPostAsGet", 24, 25))
        mustFind("a signature that the helper's end cost", unexplained("TokenUnavailable", "SignPostAsGet", 29.9, 30.1))
        mustFind("an overload", unexplained("Overloaded", "SignPostAsGet", 10.5, 10.6))
        mustFind("an error of another name", unexplained("KeyUnusable", "SignPostAsGet", 10.5, 10.6))
    }

    /// A record of the trail.
    private func record(_ kind: String, _ members: [(String, JSON)] = []) -> JSON {
        var record = JSON.members([
            ("kind", .string(kind)), ("correlation", .string("1-7-2")), ("uid", .number("41001")), ("operation", .string("post-as-get")),
        ])
        for (name, value) in members { record = record.with(name, value) }
        return record
    }

    /// What the ledger finds for one call that came back with that outcome.
    private func ledger(_ outcome: Reply.Outcome?, _ records: [JSON], diskFull: Bool = false) -> Finding? {
        var ledger = CallLedger(), outages = Outages()
        if diskFull { outages.begin(.disk, at: 0) }
        ledger.open("1-7")
        let call = SoakCall(
            call: Call(method: "SignPostAsGet", parameters: .object([])), peer: Peer(user: 41_001, groups: []), correlation: "1-7-2",
            sent: 1, policies: [], states: [:])
        ledger.send(call)
        if let outcome {
            call.received = 2
            call.outcome = outcome
            if outcome == .success { call.digests = ["sha256:aa"] }
        }
        for record in records { ledger.read(record) }
        ledger.settle(answeredBefore: 3, isLast: true, outages: outages)
        return ledger.findings.first
    }

    mutating func ledgers() {
        let intent = record("intent", [("digest", .string("sha256:aa"))]), signed = record("outcome", [("result", .string("signed"))])
        let failed = record("outcome", [("result", .string("failed"))]), refusal = record("refusal")
        mustPass("a signature in the trail", ledger(.success, [intent, signed]))
        mustPass("a refusal in the trail", ledger(.refused, [refusal]))
        mustPass("a refusal that was only counted", ledger(.refused, []))
        mustPass("a failure in the trail", ledger(.failed, [intent, failed]))
        mustPass("a failure without a record", ledger(.other, []))
        mustPass("a signature that was withheld on a full disk", ledger(.other, [intent, signed], diskFull: true))
        mustPass("another connection's record", ledger(.refused, [record("intent", [("correlation", .string("1-8-2"))])]))
        mustFind("no reply", ledger(nil, [intent, signed]))
        mustFind("a signature without an intent", ledger(.success, [signed]))
        mustFind("a signature without an outcome", ledger(.success, [intent]))
        mustFind("a signature with two intents", ledger(.success, [intent, intent, signed]))
        mustFind("a signature with two outcomes", ledger(.success, [intent, signed, signed]))
        mustFind("a signature of something else", ledger(.success, [record("intent", [("digest", .string("sha256:bb"))]), signed]))
        mustFind("a signature that the trail says failed", ledger(.success, [intent, failed]))
        mustFind("a signature of another user", ledger(.success, [intent.with("uid", .number("41002")), signed]))
        mustFind("a signature for another operation", ledger(.success, [intent.with("operation", .string("new-order")), signed]))
        mustFind(
            "a record of a call that nobody made",
            ledger(.success, [intent, signed, record("refusal", [("correlation", .string("1-7-3"))])]))
        mustFind("a refusal that was signed", ledger(.refused, [intent, signed]))
        mustFind("a refusal twice", ledger(.refused, [refusal, refusal]))
        mustFind("an error that was signed", ledger(.failed, [intent, signed]))
    }

    mutating func trails() throws(Finding) {
        var template = Array(((File.variable("TMPDIR") ?? "/tmp") + "/acme-verifier.XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw Finding("no temporary folder could be made") }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self), path = folder + "/audit.jsonl"
        defer { _ = File.run(["rm", "-rf", "--", folder], environment: [], output: "/dev/null") }
        var lines: [[UInt8]] = []
        let beginning = TrailFollower.End(sequence: -1, hash: String(repeating: "0", count: 64), offset: 0)
        var end = beginning
        for number in 0..<4 {
            let (line, hash) = TrailFollower.line("\"kind\":\"event\",\"detail\":\"\(number)\"", after: end)
            lines.append(line)
            end = TrailFollower.End(sequence: number, hash: hash, offset: 0)
        }
        func follow(_ lines: [[UInt8]], rotated: Int = 0) -> Finding? {
            let follower = TrailFollower(path, after: beginning)
            do throws(Finding) {
                var records = 0
                func put(_ lines: ArraySlice<[UInt8]>) -> Bool {
                    File.write(path, String(decoding: lines.flatMap { $0 }, as: UTF8.self))
                }
                if rotated > 0 {
                    guard put(lines[..<rotated]) else { throw Finding("a trail could not be written") }
                    try follower.read { _ in records += 1 }
                }
                guard put(lines[rotated...]) else { throw Finding("a trail could not be written") }
                try follower.read { _ in records += 1 }
                return records == lines.count ? nil : Finding("\(records) records")
            } catch { return error }
        }
        mustPass("a trail", follow(lines))
        mustPass("a trail that was rotated", follow(lines, rotated: 2))
        mustFind("a trail without a record", follow([lines[0], lines[2], lines[3]]))
        mustFind("a trail with a record twice", follow([lines[0], lines[1], lines[1], lines[2]]))
        mustFind("a trail that lost a record with a file", follow([lines[0], lines[1], lines[3]], rotated: 2))
        var changed = lines
        changed[1][changed[1].count / 4] ^= 1
        mustFind("a trail with a changed record", follow(changed))
        mustFind("a trail with something else", follow(lines + [Array("{}\n".utf8)]))
    }
}
