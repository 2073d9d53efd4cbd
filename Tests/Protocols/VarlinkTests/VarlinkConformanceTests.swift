import StrictJSON
import Testing
import Varlink

@Suite struct VarlinkConformanceTests {
    private static let text = """
        interface org.example.shapes
        type Colour (red, green)
        type Shape (name: string, colour: ?Colour, sides: []int, extra: [string]any, area: float, inner: ?(flag: bool, raw: object))
        method Draw(shape: Shape) -> ()
        """

    private func refusal(_ shape: String) throws -> String? {
        let interface = try VarlinkInterface(parsing: VarlinkConformanceTests.text)
        let method = try #require(interface.method(named: "Draw"))
        let object = try JSONDocument(parsing: Array("{\"shape\":\(shape)}".utf8)).root.object()
        do throws(JSONError) {
            try interface.check(object, against: method.parameters)
            return nil
        } catch {
            return "\(error.reason) \(error.member ?? "")"
        }
    }

    @Test(arguments: [
        #"{"name":"a","colour":"red","sides":[1,2],"extra":{"x":[1]},"area":1.5,"inner":{"flag":true,"raw":{}}}"#,
        #"{"name":"a","colour":null,"sides":[],"extra":{},"area":1}"#,
    ])
    func fits(_ shape: String) throws { #expect(try refusal(shape) == nil) }

    @Test(arguments: [
        (#"1"#, "wrongType shape"),
        (#"{"sides":[],"extra":{},"area":1}"#, "missingMember name"),
        (#"{"name":"a","sides":[],"extra":{},"area":1,"x":1}"#, "unknownMember x"),
        (#"{"name":"a","colour":"blue","sides":[],"extra":{},"area":1}"#, "invalidValue colour"),
        (#"{"name":"a","sides":[1.5],"extra":{},"area":1}"#, "wrongType sides"),
        (#"{"name":"a","sides":[],"extra":[],"area":1}"#, "wrongType extra"),
        (#"{"name":"a","sides":[],"extra":{},"area":"1"}"#, "wrongType area"),
        (#"{"name":"a","sides":[],"extra":{},"area":1,"inner":{"flag":1,"raw":{}}}"#, "wrongType flag"),
        (#"{"name":"a","sides":[],"extra":{},"area":1,"inner":{"flag":true}}"#, "missingMember raw"),
    ])
    func doesNotFit(_ shape: String, _ expected: String) throws { #expect(try refusal(shape) == expected) }
}
