import StrictJSON
import Testing

@testable import acme_agent

@Suite struct TimingsTests {
    @Test func stepsAreWrittenByTheirBeginning() async throws {
        let timings = Timings()
        await timings.measure(.pause, "outer") {
            await timings.measure(.agent, "inner") { try? await Task.sleep(for: .milliseconds(2)) }
        }
        let root = try JSONDocument(parsing: timings.json()).root.object()
        let steps = try root.array("steps").map { try $0.object() }
        #expect(try steps.map { try $0.string("name") } == ["outer", "inner"])
        #expect(try steps.map { try $0.string("party") } == ["pause", "agent"])
        // Each is within its enclosing step, and all are within the command.
        let moments =
            try [root.integer("began"), steps[0].integer("began"), steps[1].integer("began")]
            + [steps[1].integer("ended"), steps[0].integer("ended"), root.integer("ended")]
        #expect(moments == moments.sorted())
        #expect(try steps[1].integer("ended") - steps[1].integer("began") >= 2_000_000)
    }

    @Test func aStepThatFailsIsWrittenToo() async throws {
        struct Broken: Error {}
        let timings = Timings()
        await #expect(throws: Broken.self) { try await timings.measure(.ca, "GET /dir") { throw Broken() } }
        #expect(String(decoding: timings.json(), as: UTF8.self).contains("\"name\":\"GET /dir\""))
    }
}
