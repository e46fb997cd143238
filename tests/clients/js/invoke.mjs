// The AWS SDK for JavaScript v3's Lambda client: commands as a JSON list on stdin, a JSON line out for each.
import { GetFunctionConfigurationCommand, InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";

const lambda = new LambdaClient({
  endpoint: process.env.ENDPOINT, region: "us-east-1", maxAttempts: 1,
  credentials: { accessKeyId: process.env.ACCESS_KEY, secretAccessKey: process.env.SECRET_KEY },
});
const commands = {
  invoke: async ({ Payload, ...input }) => {
    const answer = await lambda.send(new InvokeCommand({ ...input, Payload: typeof Payload === "string" ? Payload : JSON.stringify(Payload) }));
    return {
      status: answer.StatusCode, error: answer.FunctionError, version: answer.ExecutedVersion,
      log: answer.LogResult && Buffer.from(answer.LogResult, "base64").toString(),
      payload: answer.Payload?.length ? JSON.parse(Buffer.from(answer.Payload).toString()) : null,
    };
  },
  configuration: (input) => lambda.send(new GetFunctionConfigurationCommand(input)),
};

let text = "";
for await (const piece of process.stdin) text += piece;
for (const [name, input] of JSON.parse(text)) {
  try {
    console.log(JSON.stringify(await commands[name](input)));
  } catch (e) {
    console.log(JSON.stringify({ exception: e.name, message: e.message, status: e.$metadata?.httpStatusCode }));
  }
}
