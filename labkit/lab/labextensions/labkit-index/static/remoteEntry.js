// The index is up to date when a learner comes back to it: a check has written its table into work/index.ipynb, and
// JupyterLab by itself looks at a file that is open only when it saves it.
//
// A prebuilt extension without a build: JupyterLab loads this script, then asks `get` for "./extension".
// Source: JupyterLab's Extension Developer Guide, "Prebuilt extensions".
(function () {
  "use strict";

  function isIndex(widget) {
    return Boolean(widget && widget.context && /(^|\/)index\.ipynb$/.test(widget.context.path));
  }

  function written(notebook) {
    return JSON.stringify(notebook.cells.map((cell) => [cell.cell_type, cell.source]));
  }

  // What the learner has written and not saved is never thrown away; an output is.
  async function takeFromDisk(app, context) {
    await context.ready;
    const contents = app.serviceManager.contents;
    const there = await contents.get(context.path, { content: false });
    if (context.isDisposed || !context.contentsModel || there.last_modified === context.contentsModel.last_modified) {
      return;
    }
    if (context.model.dirty) {
      const disk = await contents.get(context.path, { type: "notebook", format: "json", content: true });
      if (context.isDisposed || written(disk.content) !== written(context.model.toJSON())) {
        return;
      }
    }
    await context.revert();
  }

  function look(app, widget) {
    if (isIndex(widget)) {
      takeFromDisk(app, widget.context).catch(function (error) {
        console.warn("labkit: the index was not read again.", error);
      });
    }
  }

  const plugin = {
    id: "labkit-index:refresh",
    description: "Shows the workshop's index as it is on disk, each time that its tab is shown.",
    autoStart: true,
    activate: function (app) {
      app.shell.currentChanged.connect(function (_, change) {
        const left = change.oldValue;
        // Saved now, it does not stand against what a check writes meanwhile.
        if (isIndex(left) && !left.isDisposed && left.context.isReady && left.context.model.dirty) {
          left.context.save().catch(function () {});
        }
        look(app, change.newValue);
      });
      window.addEventListener("focus", function () {
        look(app, app.shell.currentWidget);
      });
    },
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["labkit-index"] = {
    init: function () {},
    get: function () {
      return Promise.resolve(function () {
        return { __esModule: true, default: plugin };
      });
    },
  };
})();
