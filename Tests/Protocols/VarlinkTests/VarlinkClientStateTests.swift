import StrictJSON
import Testing

@testable import Varlink

/// What a server may send, and what ends the connection.
@Suite struct VarlinkClientStateTests {
    private func state(_ calls: Bool...) -> VarlinkClientState<String> {
        var state = VarlinkClientState<String>(limits: VarlinkClientLimits())
        for (id, wantsMore) in calls.enumerated() { state.sent(UInt64(id), wantsMore: wantsMore, "\(id)") }
        return state
    }

    private func steps(_ state: inout VarlinkClientState<String>, _ text: String) -> [String] {
        state.received(text.utf8.map { $0 == UInt8(ascii: "|") ? 0 : $0 })
        var result: [String] = []
        while true {
            switch state.next() {
            case .wait: return result
            case .finish(let receiver, .success): result.append("\(receiver ?? "nobody") done")
            case .finish(let receiver, .failure(let error)): result.append("\(receiver ?? "nobody") \(error)")
            case .proceed(let receiver, _): result.append("\(receiver ?? "nobody") more")
            case .fail(let error):
                result.append("\(error)")
                return result
            }
        }
    }

    @Test func order() {
        var state = state(false, true, false)
        #expect(
            steps(&state, #"{}|{"continues":true,"parameters":{}}|{"parameters":null,"continues":false}|{"error":"a.b.C"}|"#)
                == ["0 done", "1 more", "1 done", "2 a.b.C"])
    }

    @Test func abandonedCalls() {
        var state = state(false, true, false)
        #expect(state.abandon(0) == "0")
        #expect(state.abandon(0) == nil)
        #expect(state.abandon(1) == "1")
        #expect(state.abandon(7) == nil)
        #expect(steps(&state, #"{}|{"continues":true}|{}|{}|"#) == ["nobody done", "nobody more", "nobody done", "2 done"])
        #expect(state.abandonAll() == [])
    }

    @Test func heldBack() {
        var state = state(false)
        state.isHeldBack = true
        #expect(steps(&state, "{}|") == [])
        state.isHeldBack = false
        #expect(steps(&state, "") == ["0 done"])
    }

    @Test(arguments: [
        "|", "x|", "[]|", #"{"parameters":[]}|"#, #"{"error":1}|"#, #"{"continues":1}|"#, #"{"extra":1}|"#,
        #"{"error":"a.b.C","error":"a.b.D"}|"#, #"{"error":"a.b.C","continues":true}|"#,
    ])
    func malformedReplies(_ text: String) {
        var state = state(true)
        let result = steps(&state, text)
        #expect(result.count == 1)
        #expect(result.first?.hasPrefix("the server sent a malformed reply") == true)
    }

    @Test func unexpectedReplies() {
        var none = state()
        #expect(steps(&none, "{}|") == ["the server sent a reply that no call waits for"])
        var single = state(false)
        #expect(steps(&single, #"{"continues":true}|"#) == ["the server sent a reply that no call waits for"])
    }

    @Test func longReplies() {
        var limits = VarlinkClientLimits()
        limits.messageSize = 8
        var state = VarlinkClientState<String>(limits: limits)
        state.sent(1, wantsMore: false, "1")
        #expect(steps(&state, "         ") == ["the server sent a reply longer than 8 bytes"])
    }
}
