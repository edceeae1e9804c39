// Starts Swagger UI on the document beside this page. `validatorUrl: null`: no outside validator is asked.
"use strict";

/** Swagger UI takes NDJSON for JSON and puts its example in quotes, as one text: that is no line with an object. */
function LinesAsTheyAre() {
  return {
    afterLoad({ fn: { getSampleSchema } }) {
      this.fn.getSampleSchema = (schema, type, config, example) =>
        /ndjson/.test(type) && typeof example === "string" ? example : getSampleSchema(schema, type, config, example);
    },
  };
}

window.addEventListener("load", () => {
  window.ui = SwaggerUIBundle({
    url: "swagger.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    displayRequestDuration: true,
    filter: true,
    persistAuthorization: false,
    tryItOutEnabled: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [LinesAsTheyAre],
    layout: "BaseLayout",
  });
});
